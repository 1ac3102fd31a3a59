import { type Schedule, successorDueAt } from '../signing/schedule.ts'
import { type SigningKey, type SigningKeyState, stateOf } from '../signing/signing-key.ts'

/** A key as the commands print it. Times as RFC 3339. */
export interface KeyOutput {
  kid: string
  alg: string
  state: SigningKeyState
  publish_at: string
  activate_at: string
  retire_at?: string
  remove_at?: string
  revoked_at?: string
  /** When its successor is published; absent once there is one. */
  successor_due_at?: string
}

/** @param now milliseconds since the epoch */
export function keyOutput(key: SigningKey, now: number, schedule: Schedule): KeyOutput {
  const time = (at: number) => new Date(at).toISOString()
  return {
    kid: key.kid,
    alg: key.alg,
    state: stateOf(key, now),
    publish_at: time(key.publishAt),
    activate_at: time(key.activateAt),
    ...(key.retireAt === undefined ? {} : { retire_at: time(key.retireAt) }),
    ...(key.removeAt === undefined ? {} : { remove_at: time(key.removeAt) }),
    ...(key.revokedAt === undefined ? {} : { revoked_at: time(key.revokedAt) }),
    ...(key.retireAt === undefined
      ? { successor_due_at: time(successorDueAt(key, schedule)) }
      : {}),
  }
}
