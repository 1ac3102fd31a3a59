import { z } from 'zod'
import { line } from '../line.ts'
import { type SigningAlg, signingAlgs } from '../signing/signing-key.ts'

/** A protected resource, the audience of tokens (RFC 8707 §2). */
export interface ResourceServer {
  /** The `resource` of requests and the `aud` of tokens. */
  identifier: string
  name?: string | undefined
  scopes: string[]
  access_token_format: 'jwt' | 'opaque'
  access_token_signing_alg: SigningAlg
  /** Clients that may introspect its tokens, besides the client that a token was issued to. */
  introspection_clients: string[]
  /** Applies to requests that name no resource; the OpenID scopes belong to it. */
  default: boolean
  /** Whether self-registered clients may use it. */
  open: boolean
  /** Whether clients that act for people must name it in their `resources` to use it. */
  namedOnly?: true
  /** Whether it is only for clients that may introspect tokens of another resource server, acting for themselves. */
  forIntrospectionClients?: true
}

const scopeName = z
  .string()
  .regex(/^[\x21\x23-\x5B\x5D-\x7E]{1,200}$/, { error: 'must be a scope name (RFC 6749 §3.3)' })

export const openidScopes = ['openid', 'profile', 'email', 'offline_access'] as const

/** An operator's declaration of a resource server; unknown members are refused. */
export const resourceServerDeclaration = z.strictObject({
  identifier: z
    .string()
    .max(500)
    .refine((value) => URL.canParse(value) && !value.includes('#'), {
      error: 'must be an absolute URI without a fragment (RFC 8707 §2)',
    }),
  name: line.optional(),
  scopes: z
    .array(
      scopeName.refine((name) => !(openidScopes as readonly string[]).includes(name), {
        error: `must not be one of ${openidScopes.join(', ')}: they belong to the default resource server`,
      }),
    )
    .max(500)
    .default([]),
  access_token_format: z.enum(['jwt', 'opaque']).default('jwt'),
  access_token_signing_alg: z.enum(signingAlgs).default('ES256'),
  introspection_clients: z.array(z.string()).max(100).default([]),
  default: z.boolean().default(false),
  open: z.boolean().default(false),
})

/**
 * The issuer itself as a resource server, for userinfo: the target of requests without `resource` where no resource
 * server is declared as default.
 */
export function implicitDefault(issuer: string): ResourceServer {
  return {
    identifier: issuer,
    scopes: [],
    access_token_format: 'jwt',
    access_token_signing_alg: 'ES256',
    introspection_clients: [],
    default: true,
    open: true,
  }
}
