import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { beat, onEveryBeat } from '../beat.ts'
import type { Platform } from '../platform.ts'
import { chunksOf } from '../storage/chunks.ts'
import type { Notifications } from '../storage/notifications.ts'
import { sweepTable } from '../storage/sweep.ts'
import { type Attempt, giveUpAfter, type Message, type MessageView, pauseAfter } from './message.ts'
import { channel, createOutboxStore, OutboxTable, type Taken } from './outbox.store.ts'
import { createOutboxViewStore, type MessageFilter } from './outbox-view.store.ts'
import { createPauses } from './pauses.ts'

/** Outcomes of an attempt, as metrics label them. */
const outcomes = ['delivered', 'missed', 'given_up'] as const
type Outcome = (typeof outcomes)[number]

/**
 * Transactional outbox for messages to other systems. A message is written in the transaction of the change that it
 * reports. Any node delivers it: soon after the commit, with retries while its receiver is unreachable, and at least
 * once even if a node dies. No transaction is open during a delivery.
 */
export interface Outbox {
  /** Joins the transaction of this context; delivery begins after its commit. */
  add(
    tenant: string,
    kind: string,
    messages: Array<Pick<Message, 'destination' | 'payload'>>,
  ): Promise<void>
  /**
   * Queues one message for each value, unless a fresh one is already pending. Messages that have failed, were given up,
   * or are for another destination are replaced. The caller must prevent concurrent calls.
   * @param about payload members that these messages share and no others have
   * @param each the payload member that tells the messages apart, and its values
   */
  renew(
    tenant: string,
    kind: string,
    about: Record<string, unknown>,
    destination: string,
    each: { member: string; values: string[] },
  ): Promise<void>
  /**
   * Deletes messages that are neither delivered nor in progress.
   * @param about payload members that these messages share and no others have
   */
  recall(tenant: string, kind: string, about: Record<string, unknown>): Promise<void>
  /** Registers the deliverer of a kind; before `start`. */
  deliverWith(kind: string, deliverer: Deliverer): void
  /** Newest first, at most 1000. */
  list(tenant: string, kind: string, filter: MessageFilter): Promise<MessageView[]>
  /**
   * Restarts messages that were given up.
   * @returns how many
   * @param which one message by its id, or those whose payloads have these members
   */
  retry(
    tenant: string,
    kind: string,
    which: { id?: string | undefined; payload?: Record<string, unknown> | undefined },
  ): Promise<number>
  /** Delivers until `stop`, which waits for attempts in progress. */
  start(): void
  stop(): Promise<void>
  /** Deletes settled messages after their retention time. @returns how many */
  sweep(): Promise<number>
}

export interface Deliverer {
  /**
   * Makes one attempt.
   * @param attempts 1 for the first
   * @returns `dropped` when the message need not be sent any more; it is then deleted
   * @throws when the receiver did not answer
   */
  deliver(message: Message, attempts: number): Promise<Attempt | 'dropped'>
  /** Joins the transaction that records a message as delivered or given up. */
  settled(message: Message, outcome: { attempts: number; failed?: string }): Promise<void>
  /** Whether a message is deleted once it is delivered. */
  readonly forgets?: true
}

/**
 * Most attempts in progress on this node: per kind, so that no kind waits for the receivers of another, and per
 * destination.
 */
const mostOfKind = 32
const mostPerDestination = 4
/** Milliseconds between two checks for due messages while none is pending; otherwise every beat checks. */
const lookEveryIdle = 2000
/** Milliseconds; longer than an attempt may take. Messages that a dead node had taken are taken again after it. */
const lease = 15_000

const day = 24 * 3600 * 1000
const kept = { delivered: 7 * day, failed: 30 * day }
const longestError = 500

export function createOutbox(
  deps: Pick<Platform, 'database' | 'clock' | 'log' | 'metrics'> & {
    notifications: Notifications
  },
): Outbox {
  const { database, clock, log, metrics, notifications } = deps
  const store = createOutboxStore(deps)
  const views = createOutboxViewStore(deps)
  const pauses = createPauses()
  const deliverers = new Map<string, Deliverer>()
  const underWay = new Map<Promise<void>, string>()
  let end: (() => void) | undefined
  let looking: Promise<void> | undefined
  /** Milliseconds, monotonic. */
  let nextLook = 0
  let wokenAt = -Infinity
  let running: Promise<void> | undefined
  let again = false

  const backlog = () => store.backlog([...deliverers.keys()])
  metrics.gauge('keyturn_outbox_messages', async () =>
    (await backlog()).map(({ kind, messages }) => [{ kind }, messages]),
  )
  metrics.gauge('keyturn_outbox_oldest_seconds', async () =>
    (await backlog()).map(({ kind, oldest }) => [
      { kind },
      oldest === null ? 0 : (clock.now() - oldest.getTime()) / 1000,
    ]),
  )
  const tried = (kind: string, outcome: Outcome, times = 1) =>
    metrics.count('keyturn_outbox_attempts_total', { kind, outcome }, times)

  // A caller of `wake` may be within a transaction or request. Deliveries run outside of its asynchronous context.
  const outside = AsyncLocalStorage.snapshot()
  const wake = () => {
    nextLook = 0
    wokenAt = performance.now()
    outside(takeMore)
  }

  const notRead = (error: Error) =>
    log.warn({ err: error }, 'could not read the outbox; it is tried again')

  /**
   * Finds due messages whose notification was lost. It is not a question of the poll (storage/poll.ts): it may be slow
   * and would delay revocations.
   */
  function look(): void {
    const began = performance.now()
    if (began < nextLook) return
    looking ??= store
      .state()
      .then((state) => {
        if (state === 'due') wake()
        // A wake-up since then may be for a new message that this answer does not show. Half a beat less, as a timer
        // may fire early.
        else if (wokenAt < began)
          nextLook = state === 'empty' ? began + lookEveryIdle - beat / 2 : 0
      }, notRead)
      .finally(() => {
        looking = undefined
      })
  }

  /** Takes as many messages as there is room for: one round at a time, and another one if it was called during it. */
  function takeMore(): void {
    again = true
    if (!end || running) return
    again = false
    running = round().then(
      () => {
        running = undefined
        if (again) takeMore()
      },
      (error: Error) => {
        running = undefined
        notRead(error)
      },
    )
  }

  async function round(): Promise<void> {
    for (const kind of deliverers.keys()) await takeOf(kind)
  }

  async function takeOf(kind: string): Promise<void> {
    const busy = [...underWay.values()].filter((each) => each === kind).length
    const most = mostOfKind - busy
    if (most <= 0) return
    const except = pauses.current()
    const taken = await store.take({ kind, most, mostPerDestination, except, lease })
    for (const message of taken) {
      const work = attempt(message)
        .catch(async (error: Error) => {
          log.warn({ err: error, message: message.id }, 'could not store the outcome of a delivery')
          await store.missed(message, 'its outcome could not be stored', pauseOf(message))
        })
        // The message is then taken again after its lease.
        .catch((error: Error) =>
          log.warn(
            { err: error, message: message.id },
            'a delivery is tried again when its lease ends',
          ),
        )
        .finally(() => {
          underWay.delete(work)
          wake()
        })
      underWay.set(work, kind)
    }
  }

  /** Milliseconds until the next attempt; undefined when the message is given up. */
  const pauseOf = ({ createdAt, attempts }: Taken) =>
    clock.now() - createdAt >= giveUpAfter ? undefined : pauseAfter(attempts)

  async function attempt(message: Taken): Promise<void> {
    const { tenant, id, kind, destination, attempts } = message
    const deliverer = deliverers.get(kind) as Deliverer
    const outcome = await deliverer.deliver(message, attempts).then(
      (answer) => {
        if (answer !== 'dropped') pauses.answered(destination)
        return answer
      },
      (error: Error) => {
        pauses.unanswered(destination)
        return { final: false, reason: describe(error) }
      },
    )
    if (outcome === 'dropped') {
      await store.delivered(message, true)
      return
    }
    const about = { tenant, kind, message: id, destination, attempts }
    if (outcome === 'delivered') {
      tried(kind, 'delivered')
      log.info(about, 'delivered')
      await database.transaction(async () => {
        if (await store.delivered(message, deliverer.forgets))
          await deliverer.settled(message, { attempts })
      })
      return
    }
    const reason = asKept(outcome.reason)
    const pause = outcome.final ? undefined : pauseOf(message)
    const isOver = pause === undefined
    tried(kind, isOver ? 'given_up' : 'missed')
    log.warn(
      { ...about, reason },
      isOver ? 'delivery given up' : 'delivery failed; it is tried again',
    )
    await database.transaction(async () => {
      const written = await store.missed(message, reason, pause)
      if (written && isOver) await deliverer.settled(message, { attempts, failed: reason })
    })
  }

  async function add(
    tenant: string,
    kind: string,
    messages: Array<Pick<Message, 'destination' | 'payload'>>,
  ): Promise<void> {
    if (messages.length === 0) return
    for (const some of chunksOf(messages)) {
      const rows = some.map((message) => ({ ...message, tenant, id: randomUUID() }))
      await store.insert(kind, rows)
    }
    await database.afterCommit(async () => wake())
  }

  return {
    add,
    async renew(tenant, kind, about, destination, { member, values }) {
      await store.withdraw(tenant, kind, about, destination)
      const pending = await store.pendingOf(tenant, kind, about, member)
      const payloads = values
        .filter((value) => !pending.has(value))
        .map((value) => ({ ...about, [member]: value }))
      await add(
        tenant,
        kind,
        payloads.map((payload) => ({ destination, payload })),
      )
    },
    recall: store.recall,
    deliverWith(kind, deliverer) {
      deliverers.set(kind, deliverer)
      // Exports the counters as 0 from the start.
      for (const outcome of outcomes) tried(kind, outcome, 0)
    },
    list: views.list,
    async retry(tenant, kind, which) {
      const changed = await views.retry(tenant, kind, which)
      wake()
      return changed
    },
    start() {
      if (end) return
      notifications.listen(channel, wake)
      end = outside(() => onEveryBeat(look))
      wake()
    },
    async stop() {
      end?.()
      end = undefined
      await looking
      await running
      await Promise.all(underWay.keys())
    },
    async sweep() {
      const [delivered, failed] = [clock.now() - kept.delivered, clock.now() - kept.failed]
      return (
        (await sweepTable(database, OutboxTable, 'delivered_at < $1', delivered)) +
        (await sweepTable(database, OutboxTable, 'failed_at < $1', failed))
      )
    },
  }
}

/**
 * The reason as it can be stored; it may quote a receiver. Postgres accepts neither U+0000 nor a lone surrogate, which
 * truncation may leave as well.
 */
const asKept = (reason: string) =>
  reason.slice(0, longestError).toWellFormed().replaceAll('\0', '\uFFFD')

function describe(error: Error): string {
  const { code } = error as { code?: unknown }
  return [code, error.message].filter(Boolean).join(': ')
}
