/** Rows that one statement looks at, when few of them fit: some milliseconds, where all at once may take too long. */
const step = 25_000

/**
 * A page of rows that fit a condition which no index leads to: looked for step by step, however many rows lie between two
 * that fit, so that no statement takes long.
 * @param after what the page before ended with, undefined for the first
 * @param endOf the key of the row that is so many behind another one; undefined when there are fewer
 * @param rowsIn rows that fit, behind a key and up to another one, in their order
 */
export async function pageStepwise<Row>(
  { after, limit }: { after?: string | undefined; limit: number },
  endOf: (after: string | undefined, rows: number) => Promise<string | undefined>,
  rowsIn: (after: string | undefined, upTo: string | undefined, limit: number) => Promise<Row[]>,
): Promise<Row[]> {
  const found: Row[] = []
  for (let place = after; ; ) {
    const end = await endOf(place, step)
    found.push(...(await rowsIn(place, end, limit - found.length)))
    if (end === undefined || found.length >= limit) return found
    place = end
  }
}
