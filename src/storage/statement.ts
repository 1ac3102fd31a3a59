import { hash } from 'node:crypto'
import pg from 'pg'

/** A statement and its values. */
export interface Asked {
  sql: string
  parameters?: unknown[]
}

/** What is asked of Postgres in one round trip. */
export interface Statement extends Asked {
  /** Others that come before it; `done` is told what came of each, unless one failed before. */
  before?: Array<Asked & { done(outcome: Outcome): void }>
  /** Begins a transaction with it. */
  begins?: boolean
  /** Ends the transaction behind it, unless it fails: then the transaction is left for a rollback. */
  commits?: boolean
  /** Only where the server takes writes, though it writes nothing: fails elsewhere (SQLSTATE 25006). */
  onPrimary?: boolean
}

/** Sent ahead of the statement: it locks nothing, but a server that takes no writes refuses a locking clause. */
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
  parsedStatements: Record<string, string>
  submittedNamedStatements: Record<string, string>
  close(message: { type: 'S'; name: string }): void
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
  /** Absent until it is complete. */
  command: string | null
  rows: unknown[]
  rowCount: number | null
}

/**
 * Several statements up to one Sync (PostgreSQL documentation, "Extended Query"): they travel together, and when one
 * fails those behind it are skipped.
 */
class Batch extends DriverQuery {
  readonly #ahead: string[]
  readonly #before: NonNullable<Statement['before']>
  readonly #commits: boolean
  readonly #prepares: boolean
  #settle: (() => void) | undefined

  constructor(
    statement: Statement,
    prepares: boolean,
    { resolve, reject }: { resolve(outcome: Outcome): void; reject(error: Error): void },
  ) {
    super(configOf(statement, prepares), undefined, (error) => {
      const came = [this.#came()].flat().filter(({ command }) => command !== null)
      const outcomes = came.slice(this.#ahead.length).map(outcomeOf)
      for (const { done } of this.#before) {
        const outcome = outcomes.shift()
        if (outcome) done(outcome)
      }
      if (error) return reject(error)
      this.#settle?.()
      resolve(outcomes[0] as Outcome)
    })
    this.#ahead = aheadOf(statement)
    this.#before = statement.before ?? []
    this.#commits = statement.commits ?? false
    this.#prepares = prepares
  }

  /** What came until now; the driver tells nobody where one failed. */
  #came(): Result | Result[] {
    return Reflect.get(this, '_results') as Result | Result[]
  }

  override requiresPreparation(): boolean {
    return true
  }

  override prepare(wire: Wire): void {
    const { name, text } = this
    // Ahead of the others: the driver takes the first statement that was parsed for this one.
    if (name !== undefined && !this.hasBeenParsed(wire)) {
      // A batch that failed may have left one of this name.
      wire.close({ type: 'S', name })
      wire.parse({ name, text })
      wire.submittedNamedStatements[name] = text
    }
    for (const sql of this.#ahead) beside(wire, sql)
    const parsed = this.#before.map((asked) => askedBefore(wire, configOf(asked, this.#prepares)))
    this.#settle = () => Object.assign(wire.parsedStatements, ...parsed)
    super.prepare(this.#commits ? committing(wire) : wire)
  }
}

const outcomeOf = ({ rows, rowCount }: Result): Outcome => ({ rows, count: rowCount ?? 0 })

interface QueryConfig {
  text: string
  values: unknown[]
  name?: string
}

function configOf({ sql: text, parameters: values = [] }: Asked, prepares: boolean): QueryConfig {
  const name = prepares ? nameOf(text) : undefined
  return { text, values, ...(name === undefined ? {} : { name }) }
}

/**
 * Writes a statement without a Sync.
 * @returns what it is prepared as, once all have come through; until then it may be there, or not
 */
function askedBefore(wire: Wire, config: QueryConfig): Record<string, string> {
  const { name, text } = config
  const query = new DriverQuery(config, undefined, () => undefined)
  const isNew = name !== undefined && !query.hasBeenParsed(wire)
  // As above; to close what is not there is no error.
  if (isNew) wire.close({ type: 'S', name })
  query.prepare(over(wire, { sync: () => undefined }))
  if (!isNew) return {}
  delete wire.submittedNamedStatements[name]
  return { [name]: text }
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
  return over(wire, { execute })
}

/** The same with other members. */
function over(wire: Wire, others: Partial<Wire & { sync(): void }>): Wire {
  return new Proxy(wire, {
    get(target, member) {
      const value: unknown = Reflect.get(member in others ? others : target, member)
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
  const name = hash('sha256', sql, 'base64url').slice(0, 22)
  names.set(sql, name)
  return name
}

/** @param prepares whether it is parsed and planned once for each connection, and later only named */
export function ask(
  client: AskableClient,
  statement: Statement,
  prepares: boolean,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    client.query(new Batch(statement, prepares, { resolve, reject }))
  })
}
