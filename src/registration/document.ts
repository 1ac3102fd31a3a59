import { isLoopbackHost } from '../clients/redirect-uri.ts'
import { isStorable, storableRule } from '../storable.ts'
import { askedMetadata, refusedMetadata } from './asked-metadata.ts'
import { type Registrable, type RegistrationPolicy, registrable } from './policy.ts'

/** Members that are ignored: they would make the server fetch another address before it knows the client. */
const left: ReadonlySet<Registrable> = new Set(['sector_identifier_uri', 'subject_type'])

/** Documents may use only methods without a shared secret (OAuth Client ID Metadata Document §4.1, P-085). */
const authMethods: readonly unknown[] = ['none', 'private_key_jwt']

const secrets = ['client_secret', 'client_secret_expires_at']

/**
 * The members of a document that this server uses. Others are ignored, as a document is written for many servers.
 * @throws DomainError `client_metadata_invalid` if it is of another client, or has forbidden members
 */
export function membersIn(document: unknown, clientId: string): Record<string, unknown> {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw refusedMetadata(['client_id: the document must be a JSON object'])
  }
  const has = (member: string) => Object.hasOwn(document, member)
  const body = document as Record<string, unknown>
  const faults: string[] = []
  if (!has('client_id') || body['client_id'] !== clientId) {
    faults.push('client_id: must be exactly the URL of the document')
  }
  faults.push(...secrets.filter(has).map((member) => `${member}: must not be in a document`))
  const members: Record<string, unknown> = {}
  for (const member of registrable) {
    if (has(member) && body[member] !== null && !left.has(member)) members[member] = body[member]
  }
  const method = members['token_endpoint_auth_method'] ?? 'none'
  if (!authMethods.includes(method)) {
    faults.push(`token_endpoint_auth_method: must be one of ${authMethods.join(', ')}`)
  }
  if (!isStorable(members)) faults.push(`client_name: a string in the document ${storableRule}`)
  if (faults.length > 0) throw refusedMetadata(faults)
  return { ...members, token_endpoint_auth_method: method }
}

/**
 * The declaration of a client with such members. Values of `grant_types`, `scope` and `response_types` that the policy
 * does not allow are dropped, as they say what the client can do at any server. Everything else is refused as for
 * clients that register.
 * @throws DomainError `client_metadata_invalid`, `redirect_uri_invalid`
 */
export function declarationIn(
  members: Record<string, unknown>,
  clientId: string,
  policy: RegistrationPolicy,
): Record<string, unknown> {
  const kept = { ...members }
  narrow(kept, 'grant_types', policy.grant_types)
  narrow(kept, 'response_types', ['code'])
  const { scope } = kept
  if (policy.scopes && typeof scope === 'string') {
    const allowed = new Set(policy.scopes)
    const names = scope.split(' ').filter((name) => allowed.has(name))
    if (names.length === 0) delete kept['scope']
    else kept['scope'] = names.join(' ')
  }
  kept['application_type'] ??= livesOnDevice(kept) ? 'native' : policy.defaults['application_type']
  const asked = askedMetadata(kept, policy)
  const isPairwise = asked['subject_type'] === 'pairwise'
  // The sector is its own host: its redirect URIs may be those of another host the next time it is read.
  const ofItself = isPairwise ? { sector_identifier_uri: clientId } : {}
  return { ...asked, ...ofItself, client_id: clientId }
}

function narrow(members: Record<string, unknown>, member: string, allowed: readonly string[]) {
  const value = members[member]
  if (!Array.isArray(value)) return
  const known = value.filter((each) => allowed.includes(each as string))
  if (known.length > 0) members[member] = known
}

/**
 * Whether an undeclared `application_type` is native: a public client with an http redirect URI on loopback (K-08, RFC
 * 8252 §7.3).
 */
function livesOnDevice(members: Record<string, unknown>): boolean {
  const uris = members['redirect_uris']
  if (!Array.isArray(uris) || members['token_endpoint_auth_method'] !== 'none') return false
  return uris.some((uri) => {
    const { protocol, hostname } = URL.parse(String(uri)) ?? {}
    return protocol === 'http:' && isLoopbackHost(hostname ?? '')
  })
}
