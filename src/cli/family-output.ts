import {
  type FamilyEnd,
  type FamilyState,
  type FamilyStep,
  type FamilyView,
  stateOf,
} from '../families/family.ts'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'

/** A family as commands print it; times as RFC 3339. */
export interface FamilyOutput {
  id: string
  account: string
  client_id: string
  device: string
  ip?: string
  user_agent?: string
  state: FamilyState
  ends_with_session: boolean
  created_at: string
  last_used_at: string
  idle_expires_at: string
  expires_at: string
  ended_at?: string
  ended_reason?: FamilyEnd
  ended_detail?: Record<string, unknown>
}

/** One refresh token in the time line of a family. */
export interface StepOutput {
  token: string
  parent?: string
  issued_at: string
  ip?: string
  user_agent?: string
  consumed_at?: string
  replays: number
  replayed_at?: string
}

/**
 * @param account the address of its owner
 * @param now milliseconds since the epoch
 */
export function familyOutput(family: FamilyView, account: string, now: number): FamilyOutput {
  const { ip, userAgent } = family.allowedFrom
  return present({
    id: family.id,
    account,
    client_id: family.clientId,
    device: family.device,
    ip,
    user_agent: userAgent,
    state: stateOf(family, now),
    ends_with_session: family.endsWithSession,
    created_at: rfc3339(family.createdAt),
    last_used_at: rfc3339(family.lastUsedAt),
    idle_expires_at: rfc3339(family.idleExpiresAt),
    expires_at: rfc3339(family.expiresAt),
    ended_at: rfc3339(family.endedAt),
    ended_reason: family.endedReason,
    ended_detail: family.endedDetail,
  })
}

export function stepOutput(step: FamilyStep): StepOutput {
  const { ip, userAgent } = step.issuedTo
  return present({
    token: step.token,
    parent: step.parent,
    issued_at: rfc3339(step.issuedAt),
    ip,
    user_agent: userAgent,
    consumed_at: rfc3339(step.consumedAt),
    replays: step.replays,
    replayed_at: rfc3339(step.replayedAt),
  })
}

/** The current state of a family, as a sentence. */
export function sentenceOn(family: FamilyOutput): string {
  const until = family.ends_with_session ? ', or until its session ends' : ''
  switch (family.state) {
    case 'ended':
      return `Ended ${family.ended_at}: ${family.ended_reason} ${inWords(family.ended_detail)}`.trimEnd()
    case 'expired':
      return `Expired ${family.expires_at}`
    case 'idle_expired':
      return `Not used in time: expired ${family.idle_expires_at}`
    case 'alive':
      return `Alive until ${family.idle_expires_at} if unused, ${family.expires_at} at most${until}`
  }
}

export function inWords(detail: Record<string, unknown> | undefined): string {
  return detail === undefined ? '' : JSON.stringify(detail)
}
