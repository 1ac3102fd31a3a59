import { createHash } from 'node:crypto'
import pg from 'pg'

/** What is asked of Postgres in one round trip. */
export interface Statement {
  sql: string
  parameters?: unknown[]
  /** Begins a transaction with it. */
  begins?: boolean
  /** Ends the transaction behind it, unless it fails: then the transaction is left for a rollback. */
  commits?: boolean
  /** Only where the server takes writes, though it writes nothing: fails elsewhere (SQLSTATE 25006). */
  onPrimary?: boolean
}

/** Goes ahead of it: nothing is locked, but who may not write may not say so. */
const refusedOnStandby = 'select 1 from changes where false for key share'

/** What goes ahead of a statement, up to the same Sync. */
const aheadOf = ({ begins, onPrimary }: Statement): string[] => [
  ...(begins ? ['start transaction'] : []),
  ...(onPrimary ? [refusedOnStandby] : []),
]

export interface Outcome {
  rows: unknown[]
  /** Rows that were read or changed. */
  count: number
}

/** A client of the driver. */
export interface AskableClient {
  query(query: unknown): unknown
}

/** The members of the driver's connection that a query writes to. */
interface Wire {
  submittedNamedStatements: Record<string, string>
  parse(message: { text: string; name?: string }): void
  bind(message: object): void
  execute(message: object): void
}

/** The members of the driver's query that its types leave out. */
const DriverQuery = pg.Query as unknown as new (
  config: { text: string; values: unknown[]; name?: string },
  values: undefined,
  callback: (error: Error | null, results: Result | Result[]) => void,
) => {
  text: string
  name?: string
  requiresPreparation(): boolean
  hasBeenParsed(wire: Wire): boolean
  prepare(wire: Wire): void
}

interface Result {
  command: string
  rows: unknown[]
  rowCount: number | null
}

/**
 * Several statements up to one Sync (PostgreSQL documentation, "Extended Query"): they travel together, and when one
 * fails those behind it are skipped.
 */
class Batch extends DriverQuery {
  readonly #ahead: string[]
  readonly #commits: boolean

  constructor(
    statement: Statement,
    name: string | undefined,
    callback: (error: Error | null, results: Result | Result[]) => void,
  ) {
    const { sql: text, parameters: values = [], commits = false } = statement
    super({ text, values, ...(name === undefined ? {} : { name }) }, undefined, callback)
    this.#ahead = aheadOf(statement)
    this.#commits = commits
  }

  override requiresPreparation(): boolean {
    return true
  }

  override prepare(wire: Wire): void {
    const { name, text } = this
    // Ahead of the other: the driver takes the first one that was parsed for this.
    if (this.#ahead.length > 0 && name !== undefined && !this.hasBeenParsed(wire)) {
      wire.parse({ name, text })
      wire.submittedNamedStatements[name] = text
    }
    for (const sql of this.#ahead) beside(wire, sql)
    super.prepare(this.#commits ? committing(wire) : wire)
  }
}

function beside(wire: Wire, text: string): void {
  wire.parse({ text })
  wire.bind({})
  wire.execute({})
}

/** The same, with COMMIT behind what is executed, if it comes to that. */
function committing(wire: Wire): Wire {
  const execute = (message: object) => {
    wire.execute(message)
    beside(wire, 'commit')
  }
  return new Proxy(wire, {
    get(target, member) {
      const value: unknown = member === 'execute' ? execute : Reflect.get(target, member)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/** Statements of ours are few; what is put together as it comes must not fill the memory of every connection. */
const mostNames = 500
const names = new Map<string, string>()

function nameOf(sql: string): string | undefined {
  const known = names.get(sql)
  if (known !== undefined || names.size >= mostNames) return known
  const name = createHash('sha256').update(sql).digest('base64url').slice(0, 22)
  names.set(sql, name)
  return name
}

/** @param prepares whether it is parsed and planned once for each connection, and later only named */
export function ask(
  client: AskableClient,
  statement: Statement,
  prepares: boolean,
): Promise<Outcome> {
  const name = prepares ? nameOf(statement.sql) : undefined
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, results: Result | Result[]) => {
      if (error) return reject(error)
      const result = [results].flat()[aheadOf(statement).length] as Result
      resolve({ rows: result.rows, count: result.rowCount ?? 0 })
    }
    client.query(new Batch(statement, name, done))
  })
}
