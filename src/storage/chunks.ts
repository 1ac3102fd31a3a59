/** Rows that one statement reads or writes at most, so that none takes longer than a statement may. */
export const mostRows = 1000

/** The same items in order, a thousand at a time. */
export function* chunksOf<Item>(items: readonly Item[]): Generator<Item[]> {
  for (let at = 0; at < items.length; at += mostRows) yield items.slice(at, at + mostRows)
}

/**
 * Repeats a statement that changes `mostRows` at most, and finds none of those again, until it changes fewer. It locks what
 * it finds before it counts: what another transaction has changed meanwhile must not make it look like the last. It looks
 * for them in an array, once: a subselect behind `in` may run again for each row, and find others.
 * @returns what all of them returned
 */
export async function untilFew<Row>(change: () => Promise<Row[]>): Promise<Row[]> {
  const changed: Row[] = []
  for (;;) {
    const some = await change()
    changed.push(...some)
    if (some.length < mostRows) return changed
  }
}
