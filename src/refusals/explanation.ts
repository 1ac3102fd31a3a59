import { rfc3339 } from '../rfc3339.ts'
import { type CheckName, checkOf } from './checks.ts'
import { printable } from './mask.ts'
import type { Refusal } from './refusal.ts'

/** A failed check, what it found, and how to fix it. */
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

/** A refusal with its failed check, as operators see it. */
export interface RefusalExplanation extends Finding {
  id: string
  tenant: string
  /** RFC 3339. */
  at: string
  endpoint: string
  client_id?: string
  ip?: string
}

/** The explanation of a failed check, for operators. */
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
