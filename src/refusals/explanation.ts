import { rfc3339 } from '../rfc3339.ts'
import { type CheckName, checkOf } from './checks.ts'
import { printable } from './mask.ts'
import type { Refusal } from './refusal.ts'

/** A check that failed, what it found, and what to do about it. */
export interface Finding {
  error: string
  check: string
  rule: string
  source: string
  mend: string
  reason?: string
  expected?: string
  received?: string
}

/** A refusal, and the check that failed, as operators are told it. */
export interface RefusalExplanation extends Finding {
  id: string
  tenant: string
  /** RFC 3339. */
  at: string
  endpoint: string
  client_id?: string
  ip?: string
}

/** What a failed check says, for the eyes of an operator. */
export function findingOf({
  check,
  error,
  reason,
  expected,
  received,
}: Pick<Refusal, 'error' | 'reason' | 'expected' | 'received'> & { check: CheckName }): Finding {
  return {
    error,
    check,
    ...checkOf(check),
    ...(reason === undefined ? {} : { reason: printable(reason) }),
    ...(expected === undefined ? {} : { expected: printable(expected) }),
    ...(received === undefined ? {} : { received: printable(received) }),
  }
}

export function explanationOf(refusal: Refusal): RefusalExplanation {
  const { id, tenant, at, endpoint, clientId, ip } = refusal
  return {
    id,
    tenant,
    at: rfc3339(at),
    endpoint,
    ...findingOf(refusal),
    ...(clientId === undefined ? {} : { client_id: clientId }),
    ...(ip === undefined ? {} : { ip }),
  }
}
