import type { Block } from './measure.ts'
import type { Row } from './suite.ts'

const columns = [
  'case',
  'server',
  'per s',
  'p50 ms',
  'p99 ms',
  'CPU µs',
  'SQL',
  'Redis',
  'ratio',
  'target',
]

const numbers = ({ rate, p50, p99, processor }: Block) => [
  rate.toFixed(0),
  p50.toFixed(1),
  p99.toFixed(1),
  processor === undefined ? '' : processor.toFixed(0),
]

/** Beyond this part of a core the load may be what limits. */
const busy = 0.9

function linesOf({ row, ours, engine, steady, trips, ratio, target }: Row): string[][] {
  const counted = trips === undefined ? ['', ''] : [String(trips.sql), String(trips.redis)]
  const verdict = [ratio?.toFixed(2) ?? '', target === undefined ? '' : `≥ ${target}`]
  const lines = [[row, 'keyturn', ...numbers(ours), ...counted, ...verdict]]
  if (engine) lines.push(['', 'bare engine', ...numbers(engine)])
  const { p50, p99, faults } = steady.ours
  lines.push([
    '',
    `at ${steady.rate}/s`,
    steady.ours.rate.toFixed(0),
    p50.toFixed(1),
    p99.toFixed(1),
  ])
  for (const [name, block] of Object.entries({ keyturn: ours, 'bare engine': engine })) {
    if (block && block.load > busy) {
      lines.push([
        '',
        `the load took ${(block.load * 100).toFixed(0)} % of a core at ${name}: it may be the limit`,
      ])
    }
    const wrong = Object.entries(block?.faults ?? {})
    if (wrong.length > 0)
      lines.push(['', `WRONG ANSWERS of ${name}: ${JSON.stringify(block?.faults)}`])
  }
  if (Object.keys(faults).length > 0)
    lines.push(['', `wrong at the steady rate: ${JSON.stringify(faults)}`])
  return lines
}

/** Prints the rows, and with `statements` what was said to the stores. */
export function printRows(rows: Row[], { statements }: { statements: boolean }): void {
  const lines = [columns, ...rows.flatMap(linesOf)]
  const widths = columns.map((_, i) =>
    Math.max(...lines.filter((line) => line.length > 2).map((line) => line[i]?.length ?? 0)),
  )
  for (const line of lines) {
    const cells = line.map((cell, i) =>
      i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
    )
    console.log(`  ${cells.join('  ')}`.trimEnd())
  }
  if (!statements) return
  for (const { row, trips } of rows) {
    console.log(`\n${row}`)
    for (const statement of trips?.statements.sql ?? []) console.log(`  SQL    ${statement}`)
    for (const command of trips?.statements.redis ?? []) console.log(`  Redis  ${command}`)
  }
}
