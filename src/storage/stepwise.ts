/** Rows that the first statement looks at: a page that fills soon costs no more. */
const firstStep = 1000
/** Rows that each further one looks at, when few fit: some milliseconds, where all at once may take too long. */
const step = 25_000

/** A page of rows that were looked for step by step. */
export interface SteppedPage<Row> {
  rows: Row[]
  /** The key that the search goes on behind: it took too long to fill the page. */
  stoppedAt?: string
}

/**
 * A page of rows that fit a condition which no index leads to: looked for step by step, however many rows lie between two
 * that fit, so that no statement takes long.
 * @param page `after`: what the page before ended with, undefined for the first; `patience`: milliseconds after which the
 *   page is what was found
 * @param endOf the key of the row that is so many behind another one; undefined when there are fewer
 * @param rowsIn rows that fit, behind a key and up to another one, in their order
 */
export async function pageStepwise<Row>(
  {
    after,
    limit,
    patience = 10_000,
  }: { after?: string | undefined; limit: number; patience?: number },
  endOf: (after: string | undefined, rows: number) => Promise<string | undefined>,
  rowsIn: (after: string | undefined, upTo: string | undefined, limit: number) => Promise<Row[]>,
): Promise<SteppedPage<Row>> {
  const began = performance.now()
  const rows: Row[] = []
  let place = after
  for (let most = firstStep; ; most = step) {
    const end = await endOf(place, most)
    rows.push(...(await rowsIn(place, end, limit - rows.length)))
    if (end === undefined || rows.length >= limit) return { rows }
    if (performance.now() - began >= patience) return { rows, stoppedAt: end }
    place = end
  }
}
