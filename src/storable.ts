/** How deep what is kept may be nested: far below where it could not be written as JSON. */
const deepest = 100

/** What `isStorable` wants, for whoever is refused. */
export const storableRule = `must not contain U+0000, half a surrogate pair or more than ${deepest} levels of nesting`

/**
 * Whether Postgres can keep a JSON value: all its texts, names included, are without U+0000 and halves of a character
 * (lone surrogates), and nothing is nested too deep. It is read without recursion, as nobody has looked at it before.
 */
export function isStorable(value: unknown): boolean {
  let level = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepest) return false
    const next: unknown[] = []
    for (const each of level) {
      if (typeof each === 'string' && (each.includes('\0') || !each.isWellFormed())) return false
      if (typeof each !== 'object' || each === null) continue
      for (const [name, member] of Object.entries(each)) next.push(name, member)
    }
    level = next
  }
  return true
}
