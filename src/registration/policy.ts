import { z } from 'zod'
import { clientMetadata, deviceCodeGrant } from '../clients/client.ts'
import { clientSigningAlgs, joseMembers } from '../clients/client-jose.ts'

/** Members that a client may register for itself (RFC 7591 §2, OpenID Connect Registration §2). */
export const registrable = [
  'client_name',
  'client_uri',
  'policy_uri',
  'tos_uri',
  'logo_uri',
  'contacts',
  'application_type',
  'redirect_uris',
  'post_logout_redirect_uris',
  'grant_types',
  'response_types',
  'token_endpoint_auth_method',
  ...(Object.keys(joseMembers) as Array<keyof typeof joseMembers>).filter(
    (member) => member !== 'client_assertion_audience' && member !== 'id_token_scope_claims',
  ),
  'scope',
  'default_max_age',
  'require_auth_time',
  'subject_type',
  'sector_identifier_uri',
  'initiate_login_uri',
  'backchannel_logout_uri',
  'backchannel_logout_session_required',
  'require_pushed_authorization_requests',
  'dpop_bound_access_tokens',
] as const satisfies ReadonlyArray<keyof typeof clientMetadata.shape>

export type Registrable = (typeof registrable)[number]

const scopeName = z.string().regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,200}$/, {
  error: 'must be a scope name (RFC 6749 §3.3)',
})

const host = z
  .string()
  .regex(/^(\*\.)?([a-z0-9-]+\.)*[a-z0-9-]+$|^\[[0-9a-f:]+\]$|^[a-z][a-z0-9+.-]*:$/, {
    error:
      'must be a host in lower case, *.host, or a private-use scheme with its colon (com.example.app:)',
  })

/** Defaults for members, validated as those members. */
const defaults = z
  .partialRecord(z.enum(registrable), z.unknown())
  .superRefine((members, context) => {
    for (const [member, value] of Object.entries(members)) {
      const parsed = clientMetadata.shape[member as Registrable].safeParse(value)
      for (const { path, message } of parsed.error?.issues ?? []) {
        context.addIssue({ code: 'custom', path: [member, ...path], message })
      }
    }
  })

/** An issuer of software statements that is trusted: its keys, or their address. */
const statementIssuer = z
  .strictObject({
    issuer: z.string().min(1).max(500),
    jwks: joseMembers.jwks,
    jwks_uri: joseMembers.jwks_uri,
    algorithms: z.array(z.enum(clientSigningAlgs)).min(1).default(['ES256', 'PS256', 'EdDSA']),
  })
  .refine(({ jwks, jwks_uri: uri }) => (jwks === undefined) !== (uri === undefined), {
    error: 'must have either jwks or jwks_uri',
  })

const seconds = (most: number) => z.int().min(1).max(most)

/** Who may register clients in a tenant, and what these may be. Unknown members are refused. */
export const registrationPolicy = z.strictObject({
  /** `token`: with an initial access token (RFC 7591 §3); `open`: anybody, within budgets. */
  mode: z.enum(['off', 'token', 'open']).default('off'),
  /** The hosts (or private-use schemes) of every address a client registers; absent for any. */
  hosts: z.array(host).max(100).optional(),
  /** What clients may ask for; absent for everything that open resource servers offer. */
  scopes: z.array(scopeName).max(500).optional(),
  grant_types: z
    .array(z.enum(['authorization_code', 'refresh_token', deviceCodeGrant]))
    .min(1)
    .default(['authorization_code', 'refresh_token']),
  refresh_token_idle_ttl: seconds(63_072_000).optional(),
  refresh_token_absolute_ttl: seconds(157_680_000).optional(),
  /** The issuers that vouch for clients that register (RFC 7591 §2.3); absent: statements are ignored. */
  software_statements: z
    .strictObject({
      issuers: z.array(statementIssuer).min(1).max(20),
      /** Whether clients cannot register without a statement. */
      required: z.boolean().default(false),
    })
    .optional(),
  /** Whether the https address of a metadata document is a `client_id` (OAuth Client ID Metadata Document). */
  client_id_metadata_documents: z.boolean().default(false),
  /** The hosts of such documents; absent for any. */
  client_id_metadata_document_hosts: z.array(host).max(100).optional(),
  /** Values for members that a client leaves out. */
  defaults: defaults.default({}),
  /** Days without a token, or since its registration, after which a client is deleted. */
  unused_days: z.int().min(1).max(3650).default(30),
  /** Most clients that never got a token. */
  most_unused: z.int().min(1).max(100_000).default(1000),
  most_unused_per_network: z.int().min(1).max(100_000).default(50),
})

export type RegistrationPolicy = z.infer<typeof registrationPolicy>
