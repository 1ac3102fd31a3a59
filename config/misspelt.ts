import { type ConfigKey, settings } from './config.ts'

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

/** Characters of a name that may differ in one, and of one that may in two. */
const shortest = 6
const long = 10

/** The first of some names that another one may be a typo of. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  return known.find((each) => distance(name, each) <= (each.length < long ? 1 : 2))
}

/** How many characters are put in, left out or replaced between two names, or more than two (Levenshtein). */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return Infinity
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (const [i, character] of [...a].entries()) {
    const next = [i + 1]
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] as number) + (character === b[j] ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] as number) + 1, (next[j] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
