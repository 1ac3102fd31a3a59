import { type ConfigKey, settings } from './config.ts'
import { nearest } from './distance.ts'

/**
 * Variables whose names are nearly that of a setting which is not set: a typo would be as if nothing had been said. Short
 * names are near to too much that others mean (`HOME`, `HOST`).
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

/** Characters of a name that may differ in one. */
const shortest = 6
