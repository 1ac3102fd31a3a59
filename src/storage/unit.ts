import type { Connection } from './connection.ts'
import type { Asked, Outcome } from './statement.ts'

type Effect = () => Promise<unknown>

/** A statement that somebody waits for. */
interface Waiting extends Asked {
  done(outcome: Outcome): void
  fail(error: unknown): void
}

/**
 * One unit of work: at most one transaction, and what has to happen after it ended.
 *
 * | ended by | what it wrote | afterCommit | onRefusal                                   |
 * |----------|---------------|-------------|---------------------------------------------|
 * | commit   | stays         | runs        | is dropped                                  |
 * | rollback | is gone       | is dropped  | runs in a transaction of its own, committed |
 */
export interface Unit {
  /** Takes the connection, once; BEGIN goes with the first statement. */
  open(): Promise<void>
  /** True from `open()` on for good: a statement that comes after the end is refused, never run on its own. */
  isOpen(): boolean
  run(sql: string, parameters: unknown[]): Promise<Outcome>
  /**
   * Sends all statements that `work` issues before its first `await` in one round trip. The unit must be open. When one
   * fails, those behind it fail with the same error.
   */
  together<T>(work: () => T): T
  /** For statements that belong at the very end of the transaction. */
  beforeCommit(effect: Effect): void
  /** For what must not happen while row locks are held (network), or only when the work is kept. */
  afterCommit(effect: Effect): void
  /** For what must stay although the work is undone: a spent `jti`, the end of a family that was replayed. */
  onRefusal(effect: Effect): void
  /**
   * For the one statement that comes last: it goes to Postgres together with COMMIT.
   * @param last what it returns false for has written nothing, and the unit counts as refused
   */
  commitWith(last: () => Promise<boolean>): void
  /**
   * @returns whether it is done: what `commitWith` was given may refuse
   * @throws the error of a statement that failed, whoever overlooked it: Postgres has undone everything by then
   */
  commit(): Promise<boolean>
  /** Never fails: what a lost connection did not undo, Postgres does. */
  rollback(): Promise<void>
  settleCommit(): Promise<void>
  settleRefusal(transaction: (work: () => Promise<void>) => Promise<void>): Promise<void>
}

/** @param connect makes a connection, which is taken at the first `open()` */
export function createUnit(connect: () => Connection): Unit {
  let connection: Connection | undefined
  let taken: Promise<void> | undefined
  /** From the first statement on, until it was committed with the last. */
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

  /** Waits for what is under way and gives the connection back, whatever becomes of `work`. */
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
    // As Postgres would; but a first statement that it cannot parse leaves no transaction, and later ones would stay.
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

  /** The engine issues statements in parallel; one connection takes them one after the other. */
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
        return Promise.reject(new Error('a statement came after the end of its transaction'))
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
