/**
 * Combines increments of a counter: one statement per id at a time, and those that arrive meanwhile are added by the
 * next. So a flood holds one connection for the row, not one for each event.
 * @param write adds `times`, with the data of the last event
 * @returns resolves when it is written
 */
export function addedTogether<Row>(
  write: (id: string, row: Row, times: number) => Promise<void>,
): (id: string, row: Row) => Promise<void> {
  const underWay = new Map<string, Promise<void>>()
  const waiting = new Map<string, { row: Row; times: number; written: Promise<void> }>()

  function start(id: string, row: Row, times: number): Promise<void> {
    const own = write(id, row, times).finally(() => underWay.delete(id))
    underWay.set(id, own)
    return own
  }

  return (id, row) => {
    const others = waiting.get(id)
    if (others) {
      others.row = row
      others.times++
      return others.written
    }
    const before = underWay.get(id)
    if (!before) return start(id, row, 1)
    const written: Promise<void> = before
      .catch(() => undefined)
      .then(() => {
        const { row: last, times } = own
        waiting.delete(id)
        return start(id, last, times)
      })
    const own = { row, times: 1, written }
    waiting.set(id, own)
    return written
  }
}
