/** Something that others have to be told, although they may be away just now. */
export interface Message {
  tenant: string
  /** Stable over all attempts, so that a receiver recognises what it has already. */
  id: string
  /** Whom it goes to, as far as load is concerned: a host. A receiver that is slow delays its own messages alone. */
  destination: string
  /** No secrets. */
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
  /** Why the last attempt came to nothing. */
  lastError?: string
}

/** What came of an attempt: delivered; refused for good; or not now. */
export type Attempt = 'delivered' | { final: boolean; reason: string }

/** What came of an attempt that was answered. @param final statuses with which a receiver refuses for good */
export function answeredWith({ ok, status }: Response, ...final: number[]): Attempt {
  return ok ? 'delivered' : { final: final.includes(status), reason: `answered ${status}` }
}

/** Milliseconds after which a message that never arrived is given up. */
export const giveUpAfter = 24 * 3600 * 1000

/** Milliseconds before the second attempt, and the most between two. */
const firstPause = 1000
const longestPause = 10 * 60 * 1000

/**
 * Milliseconds until the next attempt: twice as long after each, up to ten minutes, and less by chance, so that what
 * failed together does not come back together.
 * @param attempts made so far
 * @param chance from 0 to 1
 */
export function pauseAfter(attempts: number, chance = Math.random()): number {
  const longest = Math.min(longestPause, firstPause * 2 ** Math.min(attempts - 1, 20))
  return Math.round(longest * (1 - chance / 2))
}
