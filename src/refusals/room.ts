import { setBounded } from '../bounded-map.ts'
import type { Refusal } from './refusal.ts'

/** Limit per check and client, in one process: a burst, then one per so many milliseconds. */
const alike = { burst: 20, oneEvery: 10_000 }
/** The limit of all together: client ids are public, so a flood may name many. */
const together = { burst: 1000, oneEvery: 200 }
/**
 * Most pairs of check and client that are remembered. At the rate of `together`, the first has recovered fully before
 * there are more.
 */
export const mostRemembered = 2000

/** Limits how many refusals are stored. */
export interface Room {
  /** Whether one more may be stored; counts it if so. @param now milliseconds since the epoch */
  take(refusal: Pick<Refusal, 'tenant' | 'check' | 'clientId'>, now: number): boolean
  /** How many limits are remembered. */
  size(): number
}

export function createRoom(): Room {
  /** When each limit is fully restored, in milliseconds. */
  const fullAgain = new Map<string, number>()

  /** @returns when the limit is fully restored after one more; undefined when it is used up */
  function withOneMore(subject: string, { burst, oneEvery }: typeof alike, now: number) {
    const known = fullAgain.get(subject) ?? 0
    // A time further away than possible is from before the clock was set back.
    const from = known > now + burst * oneEvery ? now : Math.max(now, known)
    return from > now + (burst - 1) * oneEvery ? undefined : from + oneEvery
  }

  return {
    take({ tenant, check, clientId }, now) {
      const subject = JSON.stringify([tenant, check, clientId])
      const [own, all] = [withOneMore(subject, alike, now), withOneMore('', together, now)]
      if (own === undefined || all === undefined) return false
      setBounded(fullAgain, '', all, mostRemembered)
      setBounded(fullAgain, subject, own, mostRemembered)
      return true
    },
    size: () => fullAgain.size,
  }
}
