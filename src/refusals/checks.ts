import { type DomainErrorCode, domainErrors } from '../errors.ts'
import type { Check } from './check.ts'
import { authorizationChecks } from './checks.authorization.ts'
import { clientChecks } from './checks.client.ts'
import { tokenChecks } from './checks.token.ts'
import { mends } from './mends.ts'

/** Every check of the protocol; docs/refusals.md has all of them. */
export const protocolChecks = { ...authorizationChecks, ...clientChecks, ...tokenChecks } as const

export type ProtocolCheck = keyof typeof protocolChecks

/** A check of the protocol, or the code of a DomainError. */
export type CheckName = ProtocolCheck | DomainErrorCode

/** The check of a name; an unknown name comes from another version. */
export function checkOf(name: string): Check {
  if (Object.hasOwn(protocolChecks, name)) {
    const [rule, source, mend] = protocolChecks[name as ProtocolCheck]
    return { rule, source, mend }
  }
  if (Object.hasOwn(domainErrors, name)) {
    const [, , sentence] = domainErrors[name as DomainErrorCode]
    return {
      rule: sentence,
      source: `docs/errors.md, ${name}`,
      mend: mends[name as DomainErrorCode],
    }
  }
  return {
    rule: name,
    source: 'another version of this server',
    mend: 'Run `explain` of that version.',
  }
}
