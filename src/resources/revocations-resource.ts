import type { ResourceServer } from './resource-server.ts'

/** Path of the revocation feed, below the issuer. */
export const revocationsPath = '/revocations'
export const revocationsStreamPath = `${revocationsPath}/stream`
export const revocationsScope = 'revocations:read'

/** Path of Shared Signals, below the issuer. */
export const signalsPath = '/ssf'
export const signalScopes = { read: 'ssf.read', manage: 'ssf.manage' } as const

/** The built-in resource server of Shared Signals, for the same clients as that of the revocation feed. */
export function signalsResource(issuer: string): ResourceServer {
  return {
    ...revocationsResource(issuer),
    identifier: issuer + signalsPath,
    name: 'Keyturn shared signals',
    scopes: Object.values(signalScopes),
  }
}

/**
 * The built-in resource server of the revocation feed, in every tenant. Clients that may introspect the tokens of a
 * resource server may read its revocations, without further registration.
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
