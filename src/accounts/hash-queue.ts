import { DomainError } from '../errors.ts'

/** Who wants a hash. */
export interface Turn {
  /**
   * Those who share what there is: a network. Shares take turns, and a full queue makes room for a smaller share by
   * turning away the last of the largest. Without it somebody who is known: served before all shares.
   */
  share?: string | undefined
}

export interface HashQueue {
  /** Runs `work` when a place is free. */
  <T>(work: () => Promise<T>, turn?: Turn): Promise<T>
  /** Whether it would be taken now; a flood is turned away by this before it costs anything. */
  hasRoom(turn: Turn): boolean
}

interface Waiter {
  start(): void
  refuse(): void
}

/**
 * A semaphore with a bounded queue. Password hashing shares the thread pool with signing: without it, 32 hashes at
 * once make a signature take a third of a second (security-bar M3). Whoever floods it waits behind himself.
 * @param concurrency how many hashes run at once
 * @param length how many may wait; one more is refused with DomainError `hash_queue_full`
 * @param onRefusal told of each refusal
 */
export function createHashQueue({
  concurrency,
  length,
  onRefusal = () => undefined,
}: {
  concurrency: number
  length: number
  onRefusal?: () => void
}): HashQueue {
  let running = 0
  let waiting = 0
  const known: Waiter[] = []
  /** In the order of their turns. */
  const shares = new Map<string, Waiter[]>()

  function next(): Waiter | undefined {
    const first = known.shift()
    if (first) return first
    const [turn] = shares
    if (!turn) return undefined
    const [share, line] = turn
    const waiter = line.shift()
    shares.delete(share)
    if (line.length > 0) shares.set(share, line)
    return waiter
  }

  /** The largest share, when that is larger than the newcomer's will be. */
  function largerThan({ share }: Turn): [string, Waiter[]] | undefined {
    const own = share === undefined ? 0 : (shares.get(share)?.length ?? 0) + 1
    let largest: [string, Waiter[]] | undefined
    for (const entry of shares) {
      if (entry[1].length > (largest?.[1].length ?? own)) largest = entry
    }
    return largest
  }

  /** Turns away the last of the largest share. */
  function makeRoom(turn: Turn): boolean {
    const largest = length === 0 ? undefined : largerThan(turn)
    if (!largest) return false
    const [name, line] = largest
    line.pop()?.refuse()
    if (line.length === 0) shares.delete(name)
    waiting--
    return true
  }

  function refusal(): DomainError {
    onRefusal()
    return new DomainError('hash_queue_full')
  }

  function wait(turn: Turn): Promise<void> {
    const { share } = turn
    if (waiting >= length && !makeRoom(turn)) return Promise.reject(refusal())
    waiting++
    return new Promise((start, reject) => {
      const waiter = { start, refuse: () => reject(refusal()) }
      if (share === undefined) known.push(waiter)
      else shares.set(share, [...(shares.get(share) ?? []), waiter])
    })
  }

  async function queue<T>(work: () => Promise<T>, turn: Turn = {}): Promise<T> {
    if (running >= concurrency) await wait(turn)
    else running++
    try {
      return await work()
    } finally {
      // The place passes to the next in line without becoming free in between.
      const following = next()
      if (following) {
        waiting--
        following.start()
      } else running--
    }
  }

  return Object.assign(queue, {
    hasRoom: (turn: Turn) =>
      running < concurrency || waiting < length || (length > 0 && largerThan(turn) !== undefined),
  })
}
