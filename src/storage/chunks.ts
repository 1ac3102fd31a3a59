/** Rows that one statement reads or writes at most, so that none takes longer than a statement may. */
export const mostRows = 1000

/** The same items in order, a thousand at a time. */
export function* chunksOf<Item>(items: readonly Item[]): Generator<Item[]> {
  for (let at = 0; at < items.length; at += mostRows) yield items.slice(at, at + mostRows)
}
