import { DomainError } from '../errors.ts'

/** Requests to third-party hosts, which may be slow: each runs once at a time, and few callers wait for its answer. */
export interface AskedOnce {
  isAsked(name: string): boolean
  /** Whether one more may wait for an answer that is on its way. */
  hasRoom(name: string): boolean
  /**
   * | the question is       | the caller                                                                |
   * |-----------------------|---------------------------------------------------------------------------|
   * | not being asked       | asks it, however many wait for others, so that no flood keeps anybody out |
   * | under way             | waits for the same answer                                                 |
   * | under way, no room    | is refused                                                                |
   *
   * @throws DomainError `too_many_requests`, or what the question throws
   */
  ask(name: string, question: () => Promise<void>): Promise<void>
}

/**
 * Most callers that wait at a time: for one answer, including the one who asked; and for all answers, without those.
 */
const most = { one: 32, all: 64 }

export function createAskedOnce(): AskedOnce {
  const asked = new Map<string, { answer: Promise<void>; waiting: number }>()
  let all = 0

  const hasRoom = (name: string) => (asked.get(name)?.waiting ?? 0) < most.one && all < most.all

  return {
    isAsked: (name) => asked.has(name),
    hasRoom,
    async ask(name, question) {
      const running = asked.get(name)
      if (!running) {
        const answer = question().finally(() => asked.delete(name))
        asked.set(name, { answer, waiting: 1 })
        return answer
      }
      if (!hasRoom(name)) {
        const expected = `at most ${most.one} requests waiting for the keys of one client, ${most.all} in total`
        throw new DomainError('too_many_requests', { retryAfter: 1, detail: { expected } })
      }
      running.waiting++
      all++
      try {
        await running.answer
      } finally {
        running.waiting--
        all--
      }
    },
  }
}
