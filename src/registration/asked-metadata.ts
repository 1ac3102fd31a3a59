import { clientMetadata, webUriMembers } from '../clients/client.ts'
import { hostnameOf, receiverOf } from '../clients/redirect-uri.ts'
import { DomainError } from '../errors.ts'
import { type Registrable, type RegistrationPolicy, registrable } from './policy.ts'

/** Members that hold addresses. */
const addresses = [
  'redirect_uris',
  'post_logout_redirect_uris',
  'backchannel_logout_uri',
  ...webUriMembers,
] as const

/** Members that only operators may set. A requested `client_id` is ignored, as the server chooses it. */
export const reserved = Object.keys(clientMetadata.shape).filter(
  (member) => member !== 'client_id' && !registrable.includes(member as Registrable),
)

const mostRedirectUris = 20
/** Control characters, and invisible or direction-changing ones: a name must not look like another. */
const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u

/**
 * The declaration for a client that registers itself.
 *
 * | member                                     | treated                                          |
 * |--------------------------------------------|--------------------------------------------------|
 * | one that clients may register              | taken, else the default of the policy            |
 * | one that only operators may set            | refused, unless it asks for the default          |
 * | one that this server does not know         | ignored (RFC 7591 §2)                            |
 *
 * The policy is checked here, the rules for all clients where the declaration is stored.
 * @throws DomainError `client_metadata_invalid`, `redirect_uri_invalid`
 */
export function askedMetadata(
  body: Record<string, unknown>,
  policy: RegistrationPolicy,
): Record<string, unknown> {
  const faults = reserved
    .filter((member) => Object.hasOwn(body, member) && !isDefault(member, body[member]))
    .map((member) => `${member}: can be set only by an operator`)
  const members: Record<string, unknown> = {}
  for (const member of registrable) {
    // null is the same as absent (RFC 7592 §2.2).
    const value =
      (Object.hasOwn(body, member) ? body[member] : undefined) ?? policy.defaults[member]
    if (value !== undefined && value !== null) members[member] = value
  }
  if (members['scope'] === undefined && policy.scopes && policy.scopes.length > 0) {
    members['scope'] = policy.scopes.join(' ')
  }
  faults.push(...policyFaults(members, policy))
  if (faults.length > 0) throw refusedMetadata(faults)
  return {
    ...members,
    ...(policy.refresh_token_idle_ttl === undefined
      ? {}
      : { refresh_token_idle_ttl: policy.refresh_token_idle_ttl }),
    ...(policy.refresh_token_absolute_ttl === undefined
      ? {}
      : { refresh_token_absolute_ttl: policy.refresh_token_absolute_ttl }),
  }
}

/** Whether a value is as good as absent: null (RFC 7592 §2.2), or the default. */
function isDefault(member: string, value: unknown): boolean {
  const { shape } = clientMetadata
  return value === null || shape[member as keyof typeof shape].safeParse(undefined).data === value
}

const listOf = (value: unknown): string[] =>
  [value].flat().filter((each): each is string => typeof each === 'string')

function policyFaults(members: Record<string, unknown>, policy: RegistrationPolicy): string[] {
  const faults: string[] = []
  const grants = new Set<string>(policy.grant_types)
  for (const grant of listOf(members['grant_types']).filter((each) => !grants.has(each))) {
    faults.push(`grant_types: must contain only ${[...grants].join(', ')}, it has ${shown(grant)}`)
  }
  if (policy.scopes) {
    const scopes = new Set(policy.scopes)
    const asked = listOf(members['scope']).flatMap((scope) => scope.split(' '))
    for (const name of asked.filter((each) => each !== '' && !scopes.has(each))) {
      faults.push(`scope: must contain only ${[...scopes].join(' ')}, it has ${shown(name)}`)
    }
  }
  const name = members['client_name']
  if (typeof name === 'string' && (unseen.test(name) || name.trim() !== name)) {
    faults.push('client_name: must have no invisible characters and no space at its start or end')
  }
  for (const member of ['redirect_uris', 'post_logout_redirect_uris']) {
    const count = Array.isArray(members[member]) ? members[member].length : 0
    if (count > mostRedirectUris) {
      faults.push(`${member}: must have at most ${mostRedirectUris} URIs, it has ${count}`)
    }
  }
  if (policy.hosts) {
    for (const member of addresses) {
      for (const uri of listOf(members[member])) {
        if (!isAllowed(uri, policy.hosts)) {
          faults.push(
            `${member}: must have one of the hosts or schemes ${policy.hosts.join(', ')}, it has ${shown(uri)}`,
          )
        }
      }
    }
  }
  return faults
}

/** Whether an address has one of these hosts or private-use schemes; `*.` matches all hosts below one. */
export function isAllowed(uri: string, hosts: readonly string[]): boolean {
  // Not an address: the rules for the member refuse it, with a better message.
  if (!URL.canParse(uri)) return true
  const host = hostnameOf(uri) ?? receiverOf(uri)
  return hosts.some((each) =>
    each.startsWith('*.') ? host.endsWith(each.slice(1)) && host !== each.slice(2) : host === each,
  )
}

const shown = (text: string) => text.slice(0, 100)

/** @param faults each begins with the member (RFC 7591 §3.2.2) @param told the part that the caller is shown */
export function refusedMetadata(
  faults: readonly string[],
  told: readonly string[] = faults,
): DomainError {
  const isRedirect = faults.every((fault) => fault.startsWith('redirect_uris'))
  // RFC 6749 §5.2: an error_description has no quotes, backslashes, nor what is not ASCII.
  const sentence = told
    .slice(0, 5)
    .join('; ')
    .replaceAll('"', "'")
    .replaceAll('§', 'section ')
    .replaceAll(/[^\x20-\x5B\x5D-\x7E]/g, '?')
    .slice(0, 800)
  return new DomainError(isRedirect ? 'redirect_uri_invalid' : 'client_metadata_invalid', {
    publicMessage: sentence,
    detail: { faults: faults.slice(0, 20) },
  })
}
