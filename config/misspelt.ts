import { type ConfigKey, settings } from './config.ts'
import { nearest } from './distance.ts'

/**
 * Variables whose names are close to that of a setting which is not set: a typo would otherwise be ignored silently.
 * Short names are skipped, as many other variables are close to them (`HOME`, `HOST`).
 * @returns `<variable> (<setting>?)`
 */
export function misspelt(env: NodeJS.ProcessEnv): string[] {
  const names = (Object.keys(settings) as ConfigKey[]).flatMap((key) => {
    const { env: name, secret } = settings[key]
    return secret ? [name, `${name}_FILE`] : [name]
  })
  const known = new Set(names)
  const isSet = (name: string) => Boolean(env[name]?.trim())
  const missing = names.filter((name) => name.length >= shortest && !isSet(name))
  return Object.keys(env)
    .filter((name) => !known.has(name) && isSet(name))
    .flatMap((name) => {
      const meant = nearest(name, missing)
      return meant === undefined ? [] : [`${name} (${meant}?)`]
    })
    .toSorted()
}

/** Least length of a name that is checked for a typo. */
const shortest = 6
