/** Aligns rows in columns. Control characters, which could drive a terminal, become question marks. */
export function columns(rows: string[][]): string {
  const clean = rows.map((row) => row.map((cell) => cell.replace(/\p{Cc}/gu, '?')))
  const widths: number[] = []
  for (const row of clean) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length)
    })
  }
  return clean
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** A list as a table with a row for each item, or the sentence that there is none. */
export function table<Item>(
  items: readonly Item[],
  none: string,
  cells: (item: Item) => string[],
): string {
  return items.length === 0 ? none : columns(items.map(cells))
}
