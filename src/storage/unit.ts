import type { QueryResult, QueryRunner } from 'typeorm'

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
  isOpen(): boolean
  run(sql: string, parameters: unknown[]): Promise<QueryResult>
  /** For what must not happen while row locks are held (network), or only when the work is kept. */
  afterCommit(effect: Effect): void
  /** For what must stay although the work is undone: a spent `jti`, the end of a family that was replayed. */
  onRefusal(effect: Effect): void
  commit(): Promise<void>
  rollback(): Promise<void>
  settleCommit(): Promise<void>
  settleRefusal(transaction: (work: () => Promise<void>) => Promise<void>): Promise<void>
}

/** @param connect takes a connection; called at the first `open()` */
export function createUnit(connect: () => QueryRunner): Unit {
  let runner: QueryRunner | undefined
  let begun: Promise<void> | undefined
  let ended = false
  let last: Promise<unknown> = Promise.resolve()
  const commits: Effect[] = []
  const refusals: Effect[] = []

  async function end(how: 'commitTransaction' | 'rollbackTransaction'): Promise<void> {
    if (!runner || ended) return
    await last.catch(() => undefined)
    ended = true
    try {
      if (runner.isTransactionActive) await runner[how]()
    } finally {
      await runner.release()
    }
  }

  return {
    open() {
      begun ??= (async () => {
        runner = connect()
        await runner.startTransaction()
      })()
      return begun
    },
    isOpen: () => begun !== undefined && !ended,
    // The engine issues statements in parallel; one connection takes them one after the other.
    run(sql, parameters) {
      const next = last
        .catch(() => undefined)
        .then(() => begun)
        .then(() => (runner as QueryRunner).query(sql, parameters, true))
      last = next
      return next
    },
    afterCommit: (effect) => void commits.push(effect),
    onRefusal: (effect) => void refusals.push(effect),
    commit: () => end('commitTransaction'),
    rollback: () => end('rollbackTransaction'),
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
