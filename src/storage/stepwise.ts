/** Rows that the first statement scans: enough for a page when many rows match. */
const firstStep = 1000
/**
 * Rows that each further statement scans when few rows match: takes some milliseconds, where one scan of all rows may
 * take too long.
 */
const step = 25_000

/** A page of rows found step by step. */
export interface SteppedPage<Row> {
  rows: Row[]
  /** Set when the time was up before the page was full: the key to continue after. */
  stoppedAt?: string
}

/**
 * A page of rows that match a condition without an index. The table is scanned in steps of bounded size, so that no
 * statement takes long however few rows match.
 * @param page `after`: last key of the previous page, undefined for the first; `patience`: milliseconds after which the
 *   rows found so far are returned
 * @param endOf the key of the row that is `rows` rows behind another; undefined when there are fewer
 * @param rowsIn matching rows after one key and up to another, in key order
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
