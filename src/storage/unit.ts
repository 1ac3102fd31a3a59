import type { Connection } from './connection.ts'
import type { Asked, Outcome } from './statement.ts'

type Effect = () => Promise<unknown>

/** A statement that a caller awaits. */
interface Waiting extends Asked {
  done(outcome: Outcome): void
  fail(error: unknown): void
}

/**
 * A unit of work: at most one transaction, and effects that run after its end.
 *
 * | ended by | writes      | afterCommit | onRefusal                        |
 * |----------|-------------|-------------|----------------------------------|
 * | commit   | are kept    | runs        | is dropped                       |
 * | rollback | are undone  | is dropped  | runs in its own, new transaction |
 */
export interface Unit {
  /** Takes the connection, once. BEGIN is sent with the first statement. */
  open(): Promise<void>
  /** True from `open()` on, for good: a statement after the end is refused, never run on its own. */
  isOpen(): boolean
  run(sql: string, parameters: unknown[]): Promise<Outcome>
  /**
   * Sends all statements that `work` issues before its first `await` in one round trip. The unit must be open. When one
   * fails, those behind it fail with the same error.
   */
  together<T>(work: () => T): T
  /** Runs statements at the very end of the transaction. */
  beforeCommit(effect: Effect): void
  /** For effects that must not happen while row locks are held (network calls), or only if the work is kept. */
  afterCommit(effect: Effect): void
  /**
   * For writes that must persist although the work is rolled back: a spent `jti`, the end of a replayed token family.
   */
  onRefusal(effect: Effect): void
  /**
   * Registers the last statement, which is sent together with COMMIT.
   * @param last returns false when its statement has written nothing; the unit then counts as refused
   */
  commitWith(last: () => Promise<boolean>): void
  /**
   * @returns whether it was committed: `commitWith`'s statement may refuse
   * @throws the error of any failed statement, even if its caller caught it: Postgres has rolled everything back by
   *   then
   */
  commit(): Promise<boolean>
  /** Never throws: when the connection is lost, Postgres rolls back by itself. */
  rollback(): Promise<void>
  settleCommit(): Promise<void>
  settleRefusal(transaction: (work: () => Promise<void>) => Promise<void>): Promise<void>
}

/** @param connect creates a connection; the first `open()` takes it */
export function createUnit(connect: () => Connection): Unit {
  let connection: Connection | undefined
  let taken: Promise<void> | undefined
  /** True from the first statement until COMMIT was sent with the last. */
  let inTransaction = false
  let committing = false
  let ended = false
  let failure: { error: unknown } | undefined
  let last: Promise<unknown> = Promise.resolve()
  let gathered: Waiting[] | undefined
  let final: (() => Promise<boolean>) | undefined
  const lasts: Effect[] = []
  const commits: Effect[] = []
  const refusals: Effect[] = []

  /** Waits for running statements and releases the connection, whatever becomes of `work`. */
  async function end(work: (connection: Connection) => Promise<unknown>): Promise<void> {
    if (!connection || ended) return
    ended = true
    try {
      await taken
      await last
      if (inTransaction) await work(connection)
    } finally {
      await connection.release()
    }
  }

  const undo = (open: Connection) => open.run({ sql: 'ROLLBACK' }).catch(() => undefined)

  async function send(statement: Asked, before: Waiting[] = []): Promise<Outcome> {
    // Postgres itself refuses statements after a failure, with one exception: when it cannot parse the first one, no
    // transaction begins, and later statements would be committed.
    if (failure) throw failure.error
    const begins = !inTransaction
    inTransaction = true
    const ends = committing
    const outcome = await (connection as Connection).run({
      ...statement,
      begins,
      commits: ends,
      before,
    })
    if (ends) inTransaction = false
    return outcome
  }

  /** The protocol engine issues statements in parallel; one connection runs them one after the other. */
  function inLine(work: () => Promise<Outcome>): Promise<Outcome> {
    const next = last.then(() => taken).then(work)
    last = next.catch((error: unknown) => {
      failure ??= { error }
    })
    return next
  }

  return {
    open() {
      taken ??= (async () => {
        connection = connect()
        await connection.take()
      })()
      return taken
    },
    isOpen: () => taken !== undefined,
    run(sql, parameters) {
      if (ended)
        return Promise.reject(new Error('a statement was sent after the end of its transaction'))
      if (!gathered) return inLine(() => send({ sql, parameters }))
      return new Promise((done, fail) => gathered?.push({ sql, parameters, done, fail }))
    },
    together(work) {
      const waiting: Waiting[] = []
      gathered = waiting
      try {
        return work()
      } finally {
        gathered = undefined
        const lastOne = waiting.pop()
        if (lastOne) {
          inLine(() => send(lastOne, waiting)).then(lastOne.done, (error: unknown) => {
            for (const { fail } of [...waiting, lastOne]) fail(error)
          })
        }
      }
    },
    beforeCommit: (effect) => void lasts.push(effect),
    afterCommit: (effect) => void commits.push(effect),
    onRefusal: (effect) => void refusals.push(effect),
    commitWith: (effect) => {
      final = effect
    },
    async commit() {
      if (taken && !ended) for (const effect of lasts) await effect()
      let kept = true
      if (final) {
        await last
        if (failure) throw failure.error
        committing = true
        kept = await final()
      }
      await end(async (open) => {
        if (!failure) return open.run({ sql: 'COMMIT' })
        await undo(open)
        throw failure.error
      })
      return kept
    },
    rollback: () => end(undo).catch(() => undefined),
    async settleCommit() {
      for (const effect of commits) await effect()
    },
    async settleRefusal(transaction) {
      if (refusals.length === 0) return
      await transaction(async () => {
        for (const effect of refusals) await effect()
      })
    },
  }
}
