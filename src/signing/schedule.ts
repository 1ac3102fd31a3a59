import type { SigningKey } from './signing-key.ts'

/** Milliseconds. */
export interface Schedule {
  rotateEvery: number
  prepublish: number
  retain: number
}

/**
 * Milliseconds within which a node that can reach Postgres publishes a new key: it polls twice a second. A key starts
 * to sign this much later, so that every node has published it for the whole of `prepublish`.
 */
const noticedWithin = 1000

/** Milliseconds for requests under way at a rotation, and for clocks that differ. */
export const grace = 60_000

/** Milliseconds by which a promoted key is dated back, so that it also signs on nodes whose clock is behind. */
const skew = 5000

/** Seconds: the pause between two fetches of careful verifiers (30 in jose), and clocks that are apart. */
const pauseAndSkew = 60

/**
 * The shortest KEY_PREPUBLISH, in seconds, with which every verifier has fetched a key before it signs. Operators who
 * know their verifiers may set less.
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

/** The times of the first key of an algorithm, which may sign at once: no verifier can know another one. */
export function firstKey(now: number) {
  return { publishAt: now, activateAt: now }
}

/** The times of a successor, and those that it gives to its predecessor. */
export function succession(now: number, { prepublish, retain }: Schedule) {
  const activateAt = now + prepublish + noticedWithin
  return {
    successor: { publishAt: now, activateAt },
    predecessor: { retireAt: activateAt, removeAt: activateAt + retain + grace },
  }
}

/** When a pending key signs that replaces a revoked one: at once, however short it has been published. */
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

/** Milliseconds. In an hour one process can make keys for more tenants than it serves. */
const mostSpread = 3_600_000

/**
 * How much earlier than necessary a successor is made, at most a hundredth of the rotation interval. Spreads the
 * rotations of many tenants whose keys were made at the same moment.
 * @param kid serves as the random choice
 */
export function spreadOf({ kid }: Pick<SigningKey, 'kid'>, { rotateEvery }: Schedule): number {
  const share = Buffer.from(kid, 'base64url').readUInt32BE() / 2 ** 32
  return Math.floor(share * spreadUpTo({ rotateEvery }))
}

export function spreadUpTo({ rotateEvery }: Pick<Schedule, 'rotateEvery'>): number {
  return Math.min(mostSpread, rotateEvery / 100)
}
