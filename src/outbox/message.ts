/** A message for another system, delivered even if that system is unreachable at first. */
export interface Message {
  tenant: string
  /** The same on every attempt, so that a receiver recognises a duplicate. */
  id: string
  /** The receiver's host, for load control: a slow receiver delays only its own messages. */
  destination: string
  /** Must not contain secrets. */
  payload: Record<string, unknown>
}

export type MessageState = 'waiting' | 'delivered' | 'failed'

/** A message with its history; times in milliseconds since the epoch. */
export interface MessageView extends Message {
  state: MessageState
  attempts: number
  createdAt: number
  /** When the next attempt is due. */
  nextAt?: number
  deliveredAt?: number
  failedAt?: number
  /** Why the last attempt failed. */
  lastError?: string
}

/** The outcome of an attempt: delivered, or failed; `final` when no further attempt is made. */
export type Attempt = 'delivered' | { final: boolean; reason: string }

/** The outcome of an attempt that was answered. @param final statuses with which a receiver refuses for good */
export function answeredWith({ ok, status }: Response, ...final: number[]): Attempt {
  return ok ? 'delivered' : { final: final.includes(status), reason: `answered ${status}` }
}

/** Milliseconds after which an undelivered message is given up. */
export const giveUpAfter = 24 * 3600 * 1000

/** Milliseconds before the second attempt, and the longest pause between two. */
const firstPause = 1000
const longestPause = 10 * 60 * 1000

/**
 * Milliseconds until the next attempt: doubles with each attempt, up to ten minutes, minus a random part (jitter), so
 * that messages that failed together are not retried together.
 * @param attempts made so far
 * @param chance from 0 to 1
 */
export function pauseAfter(attempts: number, chance = Math.random()): number {
  const longest = Math.min(longestPause, firstPause * 2 ** Math.min(attempts - 1, 20))
  return Math.round(longest * (1 - chance / 2))
}
