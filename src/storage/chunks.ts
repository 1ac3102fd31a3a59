/** Most rows that one statement reads or writes, to stay well within the statement timeout. */
export const mostRows = 1000

/** Splits items, in order, into chunks of `most`. */
export function* chunksOf<Item>(items: readonly Item[], most = mostRows): Generator<Item[]> {
  for (let at = 0; at < items.length; at += most) yield items.slice(at, at + most)
}

/**
 * Repeats a statement that changes at most `mostRows` rows until it changes fewer.
 * @param change must not match rows again that it has changed. It must lock the rows that it selects: a row changed
 *   concurrently would otherwise make a full batch look like the last one. It must select them once, with `=
 *   any(array(select …))`: a subselect after `in` may be evaluated again for each row and match others
 * @returns the rows that all runs returned
 */
export async function untilFew<Row>(change: () => Promise<Row[]>): Promise<Row[]> {
  const changed: Row[] = []
  for (;;) {
    const some = await change()
    changed.push(...some)
    if (some.length < mostRows) return changed
  }
}
