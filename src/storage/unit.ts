import type { QueryResult } from 'typeorm'
import type { Connection } from './connection.ts'

type Effect = () => Promise<unknown>

/**
 * One unit of work: at most one transaction, and what has to happen after it ended.
 *
 * | ended by | what it wrote | afterCommit | onRefusal                                   |
 * |----------|---------------|-------------|---------------------------------------------|
 * | commit   | stays         | runs        | is dropped                                  |
 * | rollback | is gone       | is dropped  | runs in a transaction of its own, committed |
 */
export interface Unit {
  /** BEGIN, once; later calls wait for it. */
  open(): Promise<void>
  /** True from `open()` on for good: a statement that comes after the end is refused, never run on its own. */
  isOpen(): boolean
  run(sql: string, parameters: unknown[]): Promise<QueryResult>
  /** For statements that belong at the very end of the transaction. */
  beforeCommit(effect: Effect): void
  /** For what must not happen while row locks are held (network), or only when the work is kept. */
  afterCommit(effect: Effect): void
  /** For what must stay although the work is undone: a spent `jti`, the end of a family that was replayed. */
  onRefusal(effect: Effect): void
  /** @throws the error of a statement that failed, whoever overlooked it: Postgres has undone everything by then */
  commit(): Promise<void>
  /** Never fails: what a lost connection did not undo, Postgres does. */
  rollback(): Promise<void>
  settleCommit(): Promise<void>
  settleRefusal(transaction: (work: () => Promise<void>) => Promise<void>): Promise<void>
}

/** @param connect takes a connection; called at the first `open()` */
export function createUnit(connect: () => Connection): Unit {
  let runner: Connection | undefined
  let begun: Promise<void> | undefined
  let ended = false
  let failure: { error: unknown } | undefined
  let last: Promise<unknown> = Promise.resolve()
  const lasts: Effect[] = []
  const commits: Effect[] = []
  const refusals: Effect[] = []

  /** Waits for what is under way and gives the connection back, whatever becomes of `work`. */
  async function end(work: (runner: Connection) => Promise<void>): Promise<void> {
    if (!runner || ended) return
    ended = true
    try {
      await begun
      await last
      await work(runner)
    } finally {
      await runner.release()
    }
  }

  const undo = (open: Connection) => open.rollbackTransaction().catch(() => undefined)

  return {
    open() {
      begun ??= (async () => {
        runner = connect()
        await runner.startTransaction()
      })()
      return begun
    },
    isOpen: () => begun !== undefined,
    // The engine issues statements in parallel; one connection takes them one after the other.
    run(sql, parameters) {
      if (ended)
        return Promise.reject(new Error('a statement came after the end of its transaction'))
      const next = last
        .then(() => begun)
        .then(() => (runner as Connection).query(sql, parameters, true))
      last = next.catch((error: unknown) => {
        failure ??= { error }
      })
      return next
    },
    beforeCommit: (effect) => void lasts.push(effect),
    afterCommit: (effect) => void commits.push(effect),
    onRefusal: (effect) => void refusals.push(effect),
    async commit() {
      if (begun && !ended) for (const effect of lasts) await effect()
      await end(async (open) => {
        if (!failure) return open.commitTransaction()
        await undo(open)
        throw failure.error
      })
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
