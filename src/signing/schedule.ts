import type { SigningKey } from './signing-key.ts'

/** Milliseconds. */
export interface Schedule {
  rotateEvery: number
  prepublish: number
  retain: number
}

/**
 * The longest that a node which hears from Postgres may take to publish a key that is there: it asks twice a second. A
 * key signs so much later, so that every node has published it for the whole of `prepublish`.
 */
const noticedWithin = 1000

/** For requests that were under way when the successor began to sign, and clocks that are apart. */
export const grace = 60_000

/** A promoted successor signs on nodes whose clock is behind as well. */
const skew = 5000

/** Seconds: the pause between two fetches of careful verifiers (30 in jose), and clocks that are apart. */
const pauseAndSkew = 60

/**
 * The shortest KEY_PREPUBLISH with which every verifier has fetched a key before it signs, in seconds. Less is allowed
 * for those who know their verifiers.
 */
export function safePrepublish({ jwksMaxAge }: { jwksMaxAge: number }): number {
  return jwksMaxAge + pauseAndSkew
}

/** Settings in seconds. */
export function scheduleOf(config: {
  keyRotateEvery: number
  keyPrepublish: number
  keyRetain: number
}): Schedule {
  return {
    rotateEvery: config.keyRotateEvery * 1000,
    prepublish: config.keyPrepublish * 1000,
    retain: config.keyRetain * 1000,
  }
}

/** The times of the first key of an algorithm: no verifier can know another. */
export function firstKey(now: number) {
  return { publishAt: now, activateAt: now }
}

/** The times of a successor, and those that its predecessor gets by it. */
export function succession(now: number, { prepublish, retain }: Schedule) {
  const activateAt = now + prepublish + noticedWithin
  return {
    successor: { publishAt: now, activateAt },
    predecessor: { retireAt: activateAt, removeAt: activateAt + retain + grace },
  }
}

/** When a pending key signs that has to stand in for a revoked one: now, however short it has been published. */
export function promotion({ publishAt }: SigningKey, now: number): number {
  return Math.max(publishAt, now - skew)
}

/** When the successor of a key has to be published, so that it signs after `rotateEvery`. */
export function successorDueAt(
  { activateAt }: Pick<SigningKey, 'activateAt'>,
  { rotateEvery, prepublish }: Schedule,
): number {
  return activateAt + rotateEvery - prepublish - noticedWithin
}

/** Milliseconds: what one process makes of keys in an hour is enough for more tenants than it serves. */
const mostSpread = 3_600_000

/**
 * So much earlier than it has to be a successor is made, at most a hundredth of the time between two: the keys of many
 * tenants that were made at the same moment have their successors at different ones.
 * @param kid random enough to choose by
 */
export function spreadOf({ kid }: Pick<SigningKey, 'kid'>, { rotateEvery }: Schedule): number {
  const share = Buffer.from(kid, 'base64url').readUInt32BE() / 2 ** 32
  return Math.floor(share * spreadUpTo({ rotateEvery }))
}

export function spreadUpTo({ rotateEvery }: Pick<Schedule, 'rotateEvery'>): number {
  return Math.min(mostSpread, rotateEvery / 100)
}
