import { DomainError } from '../errors.ts'
import { type Metrics, noMetrics } from '../metrics/metrics.ts'
import { type Span, traced } from '../tracing/trace.ts'

/** The priority of a hash. */
export interface Turn {
  /**
   * Requests of one share take turns with those of others: a network. Undefined for a known browser, which is served
   * before all shares.
   */
  share?: string | undefined
  /** Whether a user has recently signed in from this network: served before other shares. */
  familiar?: boolean
}

export interface HashQueue {
  /** Runs `work` when a place is free. */
  <T>(work: () => Promise<T>, turn?: Turn): Promise<T>
  /** Whether a hash would be accepted now; a flood is refused by this before it costs anything. */
  hasRoom(turn: Turn): boolean
}

interface Waiter {
  start(): void
  refuse(): void
}

/** Waiting lines by share, in the order of their turns. */
type Lines = Map<string, Waiter[]>

const strangers = 2
const rankOf = ({ share, familiar }: Turn) => (share === undefined ? 0 : familiar ? 1 : strangers)

/**
 * A semaphore with a bounded queue. Password hashing shares the thread pool with signing: without a limit, 32
 * concurrent hashes make a signature take a third of a second (security-bar M3). A flood queues up behind itself:
 *
 * | rank            | is served                          | makes room in a full queue by refusing           |
 * |-----------------|------------------------------------|--------------------------------------------------|
 * | known browsers  | first                              | the last waiter of the largest share             |
 * | familiar shares | second, in turn                    | the same among strangers, else of a larger share |
 * | strangers       | last, in turn, never on all places | the last waiter of a larger share                |
 *
 * @param concurrency most concurrent hashes; strangers get all but one, unless there is only one
 * @param length most waiters; one more is refused with DomainError `hash_queue_full`
 * @param onRefusal called for each refusal
 */
export function createHashQueue({
  concurrency,
  length,
  onRefusal = () => undefined,
  metrics = noMetrics,
}: {
  concurrency: number
  length: number
  onRefusal?: () => void
  metrics?: Metrics
}): HashQueue {
  const mostStrangers = Math.max(1, concurrency - 1)
  const ranks: Lines[] = [new Map(), new Map(), new Map()]
  let running = 0
  let runningStrangers = 0
  let waiting = 0

  metrics.gauge('keyturn_hash_queue_waiting', () => [[{}, waiting]])
  metrics.gauge('keyturn_hash_queue_running', () => [[{}, running]])

  const isFree = (rank: number) =>
    running < concurrency && (rank < strangers || runningStrangers < mostStrangers)

  function occupy(rank: number, by: 1 | -1): void {
    running += by
    if (rank === strangers) runningStrangers += by
  }

  function startNext(): void {
    for (const [rank, lines] of ranks.entries()) {
      const [first] = lines
      if (!first || !isFree(rank)) continue
      const [share, line] = first
      lines.delete(share)
      const waiter = line.shift()
      if (line.length > 0) lines.set(share, line)
      waiting--
      occupy(rank, 1)
      waiter?.start()
      return
    }
  }

  /** The share that has to make room for a newcomer. */
  function largest(turn: Turn): [lines: Lines, share: string] | undefined {
    const own = rankOf(turn)
    for (let rank = strangers; rank >= Math.max(own, 1); rank--) {
      const lines = ranks[rank] as Lines
      let most = rank === own ? (lines.get(turn.share as string)?.length ?? 0) + 1 : 0
      let found: string | undefined
      for (const [share, line] of lines) {
        if (line.length <= most) continue
        most = line.length
        found = share
      }
      if (found !== undefined) return [lines, found]
    }
    return undefined
  }

  function makeRoom(turn: Turn): boolean {
    const [lines, share] = (length > 0 && largest(turn)) || []
    const line = share === undefined ? undefined : lines?.get(share)
    if (!line) return false
    line.pop()?.refuse()
    if (line.length === 0) lines?.delete(share as string)
    waiting--
    return true
  }

  function refusal(): DomainError {
    onRefusal()
    return new DomainError('hash_queue_full')
  }

  function wait(turn: Turn): Promise<void> {
    if (waiting >= length && !makeRoom(turn)) return Promise.reject(refusal())
    waiting++
    return new Promise((start, reject) => {
      const lines = ranks[rankOf(turn)] as Lines
      const { share = '' } = turn
      const waiter = { start, refuse: () => reject(refusal()) }
      lines.set(share, [...(lines.get(share) ?? []), waiter])
    })
  }

  const queue = <T>(work: () => Promise<T>, turn: Turn = {}) =>
    traced(
      () => ({ name: 'password hash', kind: 'internal', attributes: {} }),
      (span) => inTurn(work, turn, span),
    )

  async function inTurn<T>(work: () => Promise<T>, turn: Turn, span: Span): Promise<T> {
    const rank = rankOf(turn)
    const came = performance.now()
    if (isFree(rank)) occupy(rank, 1)
    else await wait(turn)
    const began = performance.now()
    metrics.observe('keyturn_hash_queue_wait_seconds', {}, (began - came) / 1000)
    span.set({ 'keyturn.wait_ms': Math.round(began - came) })
    try {
      return await work()
    } finally {
      metrics.observe('keyturn_hash_duration_seconds', {}, (performance.now() - began) / 1000)
      occupy(rank, -1)
      startNext()
    }
  }

  return Object.assign(queue, {
    hasRoom: (turn: Turn) =>
      isFree(rankOf(turn)) || waiting < length || (length > 0 && largest(turn) !== undefined),
  })
}
