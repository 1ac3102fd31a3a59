import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
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
  return present({
    kid: key.kid,
    alg: key.alg,
    state: stateOf(key, now),
    publish_at: rfc3339(key.publishAt),
    activate_at: rfc3339(key.activateAt),
    retire_at: rfc3339(key.retireAt),
    remove_at: rfc3339(key.removeAt),
    revoked_at: rfc3339(key.revokedAt),
    successor_due_at:
      key.retireAt === undefined ? rfc3339(successorDueAt(key, schedule)) : undefined,
  })
}
