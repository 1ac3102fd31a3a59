import { hash } from 'node:crypto'
import pg from 'pg'

/** A statement and its values. */
export interface Asked {
  sql: string
  parameters?: unknown[]
}

/** What is sent to Postgres in one round trip. */
export interface Statement extends Asked {
  /** Statements sent ahead of it. `done` receives the outcome of each, unless an earlier one failed. */
  before?: Array<Asked & { done(outcome: Outcome): void }>
  /** Begins a transaction ahead of it. */
  begins?: boolean
  /** Commits behind it. When it fails, nothing is committed and the caller must roll back. */
  commits?: boolean
  /** Fails on a server that takes no writes (SQLSTATE 25006), though the statement itself only reads. */
  onPrimary?: boolean
}

/** Sent ahead of such a statement. It locks no row, but a server that takes no writes refuses a locking clause. */
const refusedOnStandby = 'select 1 from changes where false for key share'

/** Statements sent ahead, up to the same Sync. */
const aheadOf = ({ begins, onPrimary }: Statement): string[] => [
  ...(begins ? ['start transaction'] : []),
  ...(onPrimary ? [refusedOnStandby] : []),
]

export interface Outcome {
  rows: unknown[]
  /** Number of rows read or changed. */
  count: number
}

/** The driver's client. */
export interface AskableClient {
  query(query: unknown): unknown
}

/** The members of the driver's connection that a query uses. */
interface Wire {
  parsedStatements: Record<string, string>
  submittedNamedStatements: Record<string, string>
  close(message: { type: 'S'; name: string }): void
  parse(message: { text: string; name?: string }): void
  bind(message: object): void
  execute(message: object): void
}

/** The members of the driver's query that its types omit. */
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
  /** Null until the result is complete. */
  command: string | null
  rows: unknown[]
  rowCount: number | null
}

/**
 * Several statements up to one Sync (PostgreSQL documentation, "Extended Query"): one round trip; when one fails, the
 * server skips those behind it.
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

  /** Results received so far; when a statement fails, the driver does not report those before it. */
  #came(): Result | Result[] {
    return Reflect.get(this, '_results') as Result | Result[]
  }

  override requiresPreparation(): boolean {
    return true
  }

  override prepare(wire: Wire): void {
    const { name, text } = this
    // Parsed before the others: the driver takes the first ParseComplete for this statement.
    if (name !== undefined && !this.hasBeenParsed(wire)) {
      // A failed batch may have left a prepared statement of this name.
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
 * @returns its name and text if it is newly prepared; certain only once the whole batch has succeeded
 */
function askedBefore(wire: Wire, config: QueryConfig): Record<string, string> {
  const { name, text } = config
  const query = new DriverQuery(config, undefined, () => undefined)
  const isNew = name !== undefined && !query.hasBeenParsed(wire)
  // A failed batch may have left one of this name; closing a missing statement is no error.
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

/** The same connection, which sends COMMIT behind the executed statement. */
function committing(wire: Wire): Wire {
  const execute = (message: object) => {
    wire.execute(message)
    beside(wire, 'commit')
  }
  return over(wire, { execute })
}

/** A proxy of the connection with some members replaced. */
function over(wire: Wire, others: Partial<Wire & { sync(): void }>): Wire {
  return new Proxy(wire, {
    get(target, member) {
      const value: unknown = Reflect.get(member in others ? others : target, member)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

/**
 * Most statements that get a name. Fixed statements are few; those with generated text must not fill the memory of
 * every connection.
 */
const mostNames = 500
const names = new Map<string, string>()

function nameOf(sql: string): string | undefined {
  const known = names.get(sql)
  if (known !== undefined || names.size >= mostNames) return known
  const name = hash('sha256', sql, 'base64url').slice(0, 22)
  names.set(sql, name)
  return name
}

/** @param prepares whether the statement is prepared once per connection and then executed by name */
export function ask(
  client: AskableClient,
  statement: Statement,
  prepares: boolean,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    client.query(new Batch(statement, prepares, { resolve, reject }))
  })
}
