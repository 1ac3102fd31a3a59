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

/** Of an attempt to deliver, as they are measured. */
const outcomes = ['delivered', 'missed', 'given_up'] as const
type Outcome = (typeof outcomes)[number]

/**
 * What others have to be told. A message is written in the transaction of what it tells, and delivered by whichever
 * node comes first: soon after the commit, again and again while its receiver is away, and at least once although a
 * node dies. No transaction is open while a receiver is talked to.
 */
export interface Outbox {
  /** Joins the transaction of this context; delivery begins when that is committed. */
  add(
    tenant: string,
    kind: string,
    messages: Array<Pick<Message, 'destination' | 'payload'>>,
  ): Promise<void>
  /**
   * Adds to one destination what is not on its way there yet: what was missed or given up begins anew, so that there is
   * one message of each. The caller sees to it that nobody else does the same at this time.
   * @param about members of these payloads, and of no others
   * @param each the member that tells them apart, and what it is in each
   */
  renew(
    tenant: string,
    kind: string,
    about: Record<string, unknown>,
    destination: string,
    each: { member: string; values: string[] },
  ): Promise<void>
  /** Takes back what is not delivered and not under way. @param about members of these payloads, and of no others */
  recall(tenant: string, kind: string, about: Record<string, unknown>): Promise<void>
  /** Says how messages of a kind are delivered; before `start`. */
  deliverWith(kind: string, deliverer: Deliverer): void
  /** The newest first, 1000 at most. */
  list(tenant: string, kind: string, filter: MessageFilter): Promise<MessageView[]>
  /** Begins anew with what was given up; returns how many. @param which one alone by its id, or by members of payloads */
  retry(
    tenant: string,
    kind: string,
    which: { id?: string | undefined; payload?: Record<string, unknown> | undefined },
  ): Promise<number>
  /** Delivers until `stop`, which waits for what is under way. */
  start(): void
  stop(): Promise<void>
  /** Deletes messages that were settled longer ago than they are kept; returns how many. */
  sweep(): Promise<number>
}

export interface Deliverer {
  /**
   * One attempt.
   * @param attempts 1 for the first
   * @returns `dropped` for what is not to be sent after all: nothing is kept of it
   * @throws whatever kept it from being answered
   */
  deliver(message: Message, attempts: number): Promise<Attempt | 'dropped'>
  /** Joins the transaction that writes down that a message was delivered or given up. */
  settled(message: Message, outcome: { attempts: number; failed?: string }): Promise<void>
  /** Whether nothing is kept of a message once it is delivered. */
  readonly forgets?: true
}

/** Attempts under way of this node: of one kind, so that none waits for the receivers of another; at one destination. */
const mostOfKind = 32
const mostPerDestination = 4
/** Milliseconds between two looks at whether something is due while nothing waits at all; else it is looked for on every beat. */
const lookEveryIdle = 2000
/** Milliseconds; more than an attempt may take. What a node that died had taken is taken again after it. */
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
  /** By a clock that never jumps. */
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

  // Whoever wakes the worker may be inside of a transaction or a request, which deliveries are no part of.
  const outside = AsyncLocalStorage.snapshot()
  const wake = () => {
    nextLook = 0
    wokenAt = performance.now()
    outside(takeMore)
  }

  const notRead = (error: Error) => log.warn({ err: error }, 'outbox not read')

  /**
   * A notification makes it prompt, this makes it sure. It is no part of the poll: it may take long, and nobody must hear
   * of a revocation later for that.
   */
  function look(): void {
    const began = performance.now()
    if (began < nextLook) return
    looking ??= store
      .state()
      .then((state) => {
        if (state === 'due') wake()
        // What it was woken for since may be new, and not be taken at once. A little less, as a timer may be early.
        else if (wokenAt < began)
          nextLook = state === 'empty' ? began + lookEveryIdle - beat / 2 : 0
      }, notRead)
      .finally(() => {
        looking = undefined
      })
  }

  /** Takes as much as there is room for: one round at a time, and one more when something came meanwhile. */
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
          log.warn({ err: error, message: message.id }, 'outcome of a delivery not written down')
          await store.missed(message, 'its outcome could not be written down', pauseOf(message))
        })
        // The message is taken once more then.
        .catch((error: Error) =>
          log.warn(
            { err: error, message: message.id },
            'a delivery waits for the end of its lease',
          ),
        )
        .finally(() => {
          underWay.delete(work)
          wake()
        })
      underWay.set(work, kind)
    }
  }

  /** Milliseconds until the next attempt; undefined when there is none any more. */
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
    log.warn({ ...about, reason }, isOver ? 'delivery given up' : 'not delivered yet')
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
      // Who draws them sees that there were none.
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

/** A receiver may have said it: Postgres keeps neither U+0000 nor half a character, which a cut leaves as well. */
const asKept = (reason: string) =>
  reason.slice(0, longestError).toWellFormed().replaceAll('\0', '\uFFFD')

function describe(error: Error): string {
  const { code } = error as { code?: unknown }
  return [code, error.message].filter(Boolean).join(': ')
}
