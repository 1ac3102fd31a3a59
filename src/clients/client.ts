import { z } from 'zod'
import { asLine, line } from '../line.ts'
import { backchannelFaults, backchannelMembers } from './backchannel.ts'
import { bindsTokens } from './binds-tokens.ts'
import { certificateFaults, certificateSubject } from './certificate-subject.ts'
import { joseMembers, webUri } from './client-jose.ts'
import { fapiFaults } from './fapi.ts'
import { receiverOf, redirectUriFault, withoutUserInformation } from './redirect-uri.ts'

const text = z.string().min(1).max(200)

/** RFC 6749 §3.3. */
export const scopeSyntax = /^[\x21\x23-\x5B\x5D-\x7E]+( [\x21\x23-\x5B\x5D-\x7E]+)*$/
const scope = z.string().regex(scopeSyntax, {
  error: 'must be scope names separated by single spaces (RFC 6749 §3.3)',
})

/** RFC 8628 §3.4. */
export const deviceCodeGrant = 'urn:ietf:params:oauth:grant-type:device_code'

/** OpenID CIBA Core §4. */
export const cibaGrant = 'urn:openid:params:grant-type:ciba'

/** RFC 6749 Appendix A.1: VSCHAR. */
const clientIdPattern = /^[\x20-\x7E]{1,255}$/

/** Member names that every object has: the engine keeps things under client ids in plain objects. */
const takenIds: readonly string[] = Object.getOwnPropertyNames(Object.prototype)

/** Whether a client can have this id. */
export const isClientId = (id: string) => clientIdPattern.test(id) && !takenIds.includes(id)

const seconds = (most: number) => z.int().min(1).max(most)

export const authMethods = [
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'none',
] as const

export type AuthMethod = (typeof authMethods)[number]

/** Whether clients with this method have secrets, and whether the server must be able to read them. */
export function secretsOf(method: unknown): 'none' | 'hashed' | 'readable' {
  if (method === 'client_secret_jwt') return 'readable'
  return method === 'client_secret_basic' || method === 'client_secret_post' ? 'hashed' : 'none'
}

/** RFC 7518 §3.2: a key for HS256 has at least 256 bits. */
const shortestKey = 32

/**
 * What is wrong with a secret from outside, or undefined: characters of RFC 6749 Appendix A.2, too many to be guessed.
 */
export function secretFault(method: AuthMethod, secret: unknown): string | undefined {
  if (secretsOf(method) === 'none')
    return `must be absent with token_endpoint_auth_method ${method}`
  if (typeof secret !== 'string' || !/^[\x20-\x7E]{16,512}$/.test(secret)) {
    return 'must be 16 to 512 printable ASCII characters'
  }
  if (secretsOf(method) === 'readable' && secret.length < shortestKey) {
    return `must be at least ${shortestKey} characters for ${method} (RFC 7518 §3.2), it has ${secret.length}`
  }
  return undefined
}

/** The client metadata, each member by itself. */
export const clientMembers = z.strictObject({
  client_id: z
    .string()
    .regex(clientIdPattern, { error: 'must be 1 to 255 printable ASCII characters' })
    .refine((id) => !takenIds.includes(id), {
      error: 'must not be the name of a built-in JavaScript property, such as constructor',
    }),
  client_name: line.optional(),
  client_uri: webUri.optional(),
  policy_uri: webUri.optional(),
  tos_uri: webUri.optional(),
  logo_uri: webUri.optional(),
  contacts: z.array(text).max(20).optional(),
  application_type: z.enum(['web', 'native']).default('web'),
  redirect_uris: z.array(z.string()).max(100).default([]),
  post_logout_redirect_uris: z.array(z.string()).max(100).default([]),
  grant_types: z
    .array(
      z.enum([
        'authorization_code',
        'refresh_token',
        'client_credentials',
        deviceCodeGrant,
        cibaGrant,
      ]),
    )
    .min(1)
    .default(['authorization_code']),
  response_types: z.array(z.literal('code')).optional(),
  token_endpoint_auth_method: z.enum(authMethods).default('client_secret_basic'),
  ...joseMembers,
  ...certificateSubject,
  ...backchannelMembers,
  scope: scope.optional(),
  default_max_age: z.int().nonnegative().optional(),
  require_auth_time: z.boolean().optional(),
  subject_type: z.enum(['public', 'pairwise']).default('public'),
  sector_identifier_uri: webUri.optional(),
  initiate_login_uri: webUri.optional(),
  backchannel_logout_uri: z.string().optional(),
  backchannel_logout_session_required: z.boolean().optional(),
  fapi: z.literal('2.0').optional(),
  errors_need_sign_in: z.boolean().optional(),
  require_pkce: z.boolean().default(true),
  require_mfa: z.boolean().default(false),
  require_pushed_authorization_requests: z.boolean().default(false),
  dpop_bound_access_tokens: z.boolean().default(false),
  tls_client_certificate_bound_access_tokens: z.boolean().default(false),
  require_dpop_nonce: z.boolean().default(false),
  refresh_token_rotation: z.enum(['always', 'never']).default('always'),
  refresh_token_idle_ttl: seconds(63_072_000).optional(),
  refresh_token_absolute_ttl: seconds(157_680_000).optional(),
  refresh_replay_window: z.int().min(0).max(60).optional(),
  resources: z.array(z.string()).max(100).optional(),
})

/** Checks members in combination. */
function clientRules(client: z.infer<typeof clientMembers>, context: z.RefinementCtx): void {
  const fault = (path: PropertyKey[], message: string) =>
    context.addIssue({ code: 'custom', path, message })
  const isPublic = client.token_endpoint_auth_method === 'none'

  for (const member of ['redirect_uris', 'post_logout_redirect_uris'] as const) {
    client[member].forEach((uri, i) => {
      const message = redirectUriFault(uri, client.application_type)
      if (message) fault([member, i], message)
    })
  }
  if (client.backchannel_logout_uri !== undefined) {
    const message = redirectUriFault(client.backchannel_logout_uri, 'web')
    if (message) fault(['backchannel_logout_uri'], message)
  }
  const usesCode = client.grant_types.includes('authorization_code')
  const namesNoSector = client.subject_type === 'pairwise' && !client.sector_identifier_uri
  if (namesNoSector && usesCode && new Set(client.redirect_uris.map(receiverOf)).size > 1) {
    fault(
      ['sector_identifier_uri'],
      'is required if the redirect URIs have several hosts or schemes (OpenID Connect Core §8.1)',
    )
  }
  if (usesCode && client.redirect_uris.length === 0) {
    fault(['redirect_uris'], 'must have at least one URI for the authorization_code grant')
  }
  const involvesPerson =
    usesCode ||
    [deviceCodeGrant, cibaGrant].some((grant) => client.grant_types.includes(grant as never))
  if (client.grant_types.includes('refresh_token') && !involvesPerson) {
    fault(
      ['grant_types'],
      `refresh_token also requires authorization_code, ${deviceCodeGrant} or ${cibaGrant}`,
    )
  }
  if (isPublic && client.grant_types.includes('client_credentials')) {
    fault(
      ['grant_types'],
      'client_credentials requires a confidential client: token_endpoint_auth_method must not be none (RFC 6749 §4.4)',
    )
  }
  if (client.refresh_token_rotation === 'never' && !bindsTokens(client)) {
    fault(
      ['refresh_token_rotation'],
      'never requires dpop_bound_access_tokens or tls_client_certificate_bound_access_tokens: a bearer token must rotate (RFC 9700 §4.14)',
    )
  }
  for (const [member, message] of certificateFaults(client)) fault([member], message)
  if (client.grant_types.includes(cibaGrant)) {
    for (const [member, message] of backchannelFaults(client)) fault([member], message)
  }
  if (client.jwks_uri !== undefined && client.id_token_encrypted_response_alg !== undefined) {
    fault(
      ['jwks_uri'],
      'must be replaced by jwks if ID tokens are encrypted: no keys are fetched while tokens are issued',
    )
  }
  if (client.fapi) for (const [member, message] of fapiFaults(client)) fault([member], message)
  if (isPublic && !client.require_pkce) {
    fault(['require_pkce'], 'must be true for a public client (OAuth 2.1 §4.1.1)')
  }
}

/**
 * Client metadata as an operator declares it: the members of RFC 7591 §2 and OpenID Connect Registration §2 that this
 * server honours, and some of our own (`require_pkce`, `resources`, those of refresh tokens). Unknown members are
 * refused, not ignored.
 */
export const clientMetadata = clientMembers.superRefine(clientRules)

/** A declaration with the `client_secret` that comes from outside, if any. */
export const clientDeclaration = clientMembers
  .extend({ client_secret: z.string().optional() })
  .superRefine(declarationRules)

/** Checks a declaration in the same way, and its secret. */
export function declarationRules(
  client: z.infer<typeof clientMembers> & { client_secret?: string | undefined },
  context: z.RefinementCtx,
): void {
  clientRules(client, context)
  if (client.client_secret === undefined) return
  const message = secretFault(client.token_endpoint_auth_method, client.client_secret)
  if (message) context.addIssue({ code: 'custom', path: ['client_secret'], message })
}

export type ClientMetadata = z.infer<typeof clientMetadata>

const parsed = new WeakMap<Client, z.ZodSafeParseResult<ClientMetadata>>()

/** Members whose schema is `webUri`. */
export const webUriMembers = [
  'client_uri',
  'policy_uri',
  'tos_uri',
  'logo_uri',
  'jwks_uri',
  'sector_identifier_uri',
  'initiate_login_uri',
] as const satisfies ReadonlyArray<keyof typeof clientMembers.shape>

/** Stored members without what later rules would refuse: user information, and characters not allowed in a name. */
function asUsed(stored: unknown): unknown {
  if (typeof stored !== 'object' || stored === null) return stored
  const members = { ...stored } as Record<string, unknown>
  for (const member of webUriMembers) {
    const uri = members[member]
    if (typeof uri === 'string') members[member] = withoutUserInformation(uri)
  }
  const { client_name: name } = members
  if (typeof name === 'string') members['client_name'] = asLine(name) || undefined
  return members
}

/** Validates the stored metadata of a client, once for as long as the client is in memory. */
export function checkedMetadata(client: Client): z.ZodSafeParseResult<ClientMetadata> {
  const known = parsed.get(client)
  if (known) return known
  const result = clientMetadata.safeParse(asUsed(client.metadata))
  parsed.set(client, result)
  return result
}

/** The address of the logo that people are shown; none for a client that nobody vouches for (ADR 0011). */
export function logoOf(client: Client): string | undefined {
  return client.selfRegistered ? undefined : checkedMetadata(client).data?.logo_uri
}

/** A client as requests see it. */
export interface Client {
  tenant: string
  clientId: string
  /** As stored. It is validated where it is used, so that an invalid client harms only itself. */
  metadata: unknown
  secrets: ClientSecret[]
  /** Whether it registered itself (RFC 7591): no operator vouches for it. */
  selfRegistered?: true
  /** Its metadata is a document at the address that is its `client_id`. */
  fromDocument?: true
}

export interface ClientSecret {
  /** `sha256:` of a generated secret, or `hmac:` of one from outside (architecture §5). */
  hash: string
  /** The sealed secret; only where the authentication method needs it readable. */
  sealed?: string
  /** Milliseconds since the epoch; absent for one without an end. */
  expiresAt?: number
}
