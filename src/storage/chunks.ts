/** Rows that one statement reads or writes at most, so that none takes longer than a statement may. */
export const mostRows = 1000

/** The same items in order, a thousand at a time, or as many as are said. */
export function* chunksOf<Item>(items: readonly Item[], most = mostRows): Generator<Item[]> {
  for (let at = 0; at < items.length; at += most) yield items.slice(at, at + most)
}

/**
 * Repeats a statement that changes at most `mostRows` rows until it changes fewer.
 * @param change must not find the rows again that it has changed; must lock the rows that it selects (a row that another
 *   transaction changes meanwhile would make a full batch look like the last one); and must select them once, with
 *   `= any(array(select …))`, since a subselect after `in` may be evaluated again for each row and find others
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
