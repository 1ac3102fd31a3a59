/** From this length on two characters of a name may differ, below it one. */
const long = 10

/** The first known name that another one may be a typo of. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  for (const each of known) {
    if (distance(name, each) <= (each.length < long ? 1 : 2)) return each
  }
  return undefined
}

/**
 * The number of inserted, deleted or replaced characters between two names (Levenshtein); Infinity if their lengths
 * differ by more than two.
 */
export function distance(a: string, b: string): number {
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
