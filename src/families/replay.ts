import { openUnder, sealUnder } from '../secrets/presented-seal.ts'
import type { TimeBack } from './served-time.ts'

/** The answer of a refresh, kept for the client that did not get it. */
export interface ReplayableAnswer {
  /** The token response (RFC 6749 §5.1). */
  body: Record<string, unknown>
  /** What was asked for; only the same question gets the same access token. */
  asked: { scope?: unknown; resource?: unknown; jkt?: unknown; 'x5t#S256'?: unknown }
  /** When the access token in it expires, in milliseconds. */
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

/** Seconds that the previous token still counts after its successor was used: two tabs of one browser. */
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
 * Whether a token that came too late looks like the same device racing itself or like somebody else. Either way the
 * family ends; operators want to know what they are looking at.
 * @param elapsed milliseconds since the token was consumed, when that is known
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

/** Milliseconds after which nobody's retry is on its way any more. */
const longestRace = 10 * 60 * 1000
