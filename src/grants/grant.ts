/**
 * What an account allowed a client, remembered until it is revoked. At most one lives per account and client; every
 * token that involves a person hangs from one.
 */
export interface Grant {
  tenant: string
  id: string
  accountId: string
  clientId: string
  /** What was allowed, in the engine's shape: OpenID scope and claims, scope by resource, what was rejected. */
  allowed: Record<string, unknown>
  /** Seconds since the epoch. */
  createdAt: number
}

/** A grant as an operator and its owner see it. */
export interface ListedGrant {
  id: string
  accountId: string
  clientId: string
  /** OpenID scopes and those of resource servers. */
  scopes: string[]
  openidScopes: string[]
  openidClaims: string[]
  /** Scopes by resource server. */
  resources: Record<string, string[]>
  /** Milliseconds since the epoch. */
  createdAt: number
  /** When it was last widened. */
  updatedAt: number
}
