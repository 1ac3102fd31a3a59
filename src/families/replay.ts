import { openUnder, sealUnder } from '../secrets/presented-seal.ts'
import type { TimeBack } from './served-time.ts'

/** The answer of a refresh, kept for the client that did not get it. */
export interface ReplayableAnswer {
  /** The token response (RFC 6749 §5.1). */
  body: Record<string, unknown>
  /** What the request asked for; only an equal request gets the same access token. */
  asked: { scope?: unknown; resource?: unknown; jkt?: unknown; 'x5t#S256'?: unknown }
  /** When the access token in it expires, in milliseconds since the epoch. */
  expiresAt: number
}

const info = 'keyturn refresh replay'

/** Sealed under the presented token: only its holder can open it. */
export function sealAnswer(presented: string, answer: ReplayableAnswer): string {
  return sealUnder(presented, info, JSON.stringify(answer))
}

/** @throws Error when another token sealed it */
export function openAnswer(presented: string, sealed: string): ReplayableAnswer {
  return JSON.parse(openUnder(presented, info, sealed)) as ReplayableAnswer
}

/** Seconds that the previous token may be replayed after its successor was used: two tabs of a browser may share it. */
const tabGrace = 5

/**
 * Whether the previous token may have its answer again (architecture §6): until min(consumed + window, first use of
 * the successor + 5 s).
 * @param times milliseconds since the epoch
 * @param window seconds; 0 disables replay
 * @param back how far these reach back
 */
export function mayReplay(
  times: { at: number; successorConsumedAt?: number | undefined },
  window: number,
  back: TimeBack,
): boolean {
  const { at, successorConsumedAt = Infinity } = times
  return window > 0 && at > back(window * 1000) && successorConsumedAt > back(tabGrace * 1000)
}

/** Who presents a token. */
export interface Presenter {
  ip?: string | undefined
  userAgent?: string | undefined
}

/**
 * Whether a reused token looks like the same device racing itself or like another party. The family ends either way;
 * the verdict is for operators.
 * @param elapsed milliseconds since the token was consumed, if that is known
 */
export function verdictOn(
  presenter: Presenter,
  consumer: Presenter | undefined,
  elapsed: number | undefined,
): 'race' | 'attack' {
  const same =
    consumer !== undefined &&
    presenter.ip === consumer.ip &&
    presenter.userAgent === consumer.userAgent
  const soon = elapsed !== undefined && elapsed < longestRace
  return same && soon ? 'race' : 'attack'
}

/** Milliseconds after which a late token can no longer be a retry. */
const longestRace = 10 * 60 * 1000
