import type { ResourceServer } from './resource-server.ts'

/** Where the revocation feed is, below the issuer. */
export const revocationsPath = '/revocations'
export const revocationsStreamPath = `${revocationsPath}/stream`
export const revocationsScope = 'revocations:read'

/** Where Shared Signals are, below the issuer. */
export const signalsPath = '/ssf'
export const signalScopes = { read: 'ssf.read', manage: 'ssf.manage' } as const

/** The resource server of Shared Signals, built in like that of the revocation feed and for the same clients. */
export function signalsResource(issuer: string): ResourceServer {
  return {
    ...revocationsResource(issuer),
    identifier: issuer + signalsPath,
    name: 'Keyturn shared signals',
    scopes: Object.values(signalScopes),
  }
}

/**
 * The resource server of the revocation feed: built in, of every tenant. Whoever may introspect the tokens of a resource
 * server may read what is revoked of them, with no registration beside.
 */
export function revocationsResource(issuer: string): ResourceServer {
  return {
    identifier: issuer + revocationsPath,
    name: 'Keyturn revocation feed',
    scopes: [revocationsScope],
    access_token_format: 'jwt',
    access_token_signing_alg: 'ES256',
    introspection_clients: [],
    default: false,
    open: false,
    forIntrospectionClients: true,
  }
}
