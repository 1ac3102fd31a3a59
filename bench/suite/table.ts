import type { Block } from './block.ts'
import type { Idle } from './idle.ts'
import type { Row, Side } from './row.ts'

/** Takes an output line. */
export type Print = (line: string) => void

/** Titles and widths; the first two columns are left-aligned. */
const columns: [string, number][] = [
  ['case', 30],
  ['', 14],
  ['per s', 6],
  ['p50 ms', 7],
  ['p99 ms', 7],
  ['steady/s', 9],
  ['p50 ms', 7],
  ['p99 ms', 7],
  ['CPU µs', 7],
  ['SQL', 4],
  ['Redis', 6],
  ['ratio', 6],
  ['target', 7],
]

function line(cells: (string | undefined)[]): string {
  return columns
    .map(([, width], i) =>
      i < 2 ? (cells[i] ?? '').padEnd(width) : (cells[i] ?? '').padStart(width),
    )
    .join(' ')
    .trimEnd()
}

const times = ({ p50, p99 }: Block) => [p50.toFixed(1), p99.toFixed(1)]

function cellsOf({ name, closed, steady, trips, ratio }: Side): string[] {
  return [
    name,
    closed.rate.toFixed(0),
    ...times(closed),
    ...(steady ? [String(steady.offered), ...times(steady.block)] : ['', '', '']),
    closed.processor?.toFixed(0) ?? '',
    ...(trips ? [String(trips.sql), String(trips.redis)] : ['', '']),
    ratio?.toFixed(2) ?? '',
  ]
}

/** Above this share of a core the load generator may be the limit. */
const busy = 0.9

/** Restrictions on how to read the figures. */
function remarksOn({ name, closed, steady, hashing }: Side): string[] {
  const remarks: string[] = []
  if (hashing) {
    const [ofServer, ofAll] = [hashing.ofServer, hashing.ofAll].map((part) => part.toFixed(2))
    remarks.push(
      `by processor time, the hash alone is ${ofServer} of ${name}, and ${ofAll} of ${name} with its stores and the load`,
    )
  }
  if (closed.load > busy) {
    const part = (closed.load * 100).toFixed(0)
    remarks.push(`the load took ${part} % of a core: ${name} may be faster`)
  }
  for (const [where, faults] of [
    ['', closed.faults],
    [' at the steady rate', steady?.block.faults ?? {}],
  ] as const) {
    if (Object.keys(faults).length > 0) {
      remarks.push(`WRONG RESPONSES of ${name}${where}, not counted: ${JSON.stringify(faults)}`)
    }
  }
  return remarks
}

export function printRow(print: Print, { row, sides, target }: Row, withTitles: boolean): void {
  if (withTitles) print(`  ${line(columns.map(([title]) => title))}`)
  for (const [i, side] of sides.entries()) {
    const wanted = i === 0 && target !== undefined ? `≥ ${target}` : ''
    print(`  ${line([i === 0 ? row : '', ...cellsOf(side), wanted])}`)
  }
  for (const remark of sides.flatMap(remarksOn)) print(`    ${remark}`)
}

/** The statements sent to the stores in one request of each case. */
export function printStatements(print: Print, rows: Row[]): void {
  for (const { row, sides } of rows) {
    const statements = sides[0]?.trips?.statements
    if (!statements) continue
    print(`\n${row}`)
    for (const statement of statements.sql) print(`  SQL    ${statement}`)
    for (const command of statements.redis) print(`  Redis  ${command}`)
  }
}

/** Seconds; a shorter measurement may miss periodic work. */
const longEnough = 5

export function printIdle(print: Print, all: Idle[]): void {
  for (const { when, seconds, processes, megabytes, processor } of all) {
    const verdict = seconds < longEnough ? 'too short to judge, target' : 'target'
    print(
      `  idle, ${when}: ${megabytes.toFixed(0)} MB in the largest of ${processes} (target < 220), ` +
        `${(processor * 100).toFixed(2)} % of a core in ${seconds.toFixed(1)} s (${verdict} < 1)`,
    )
  }
}
