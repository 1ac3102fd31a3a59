import type { ClientMetadata } from './client.ts'

/**
 * Whether a person may be sent to a client with an error although nobody is signed in. Decided only here (ADR 0013): an
 * operator who declares a client vouches for its redirect URIs, unless the declaration says otherwise; nobody vouches
 * for a client that registered itself.
 */
export function isTrustedWithErrors({
  errors_need_sign_in: needsSignIn,
  registered_by: registeredBy,
}: Pick<ClientMetadata, 'errors_need_sign_in'> & { registered_by?: 'self' }): boolean {
  return needsSignIn !== true && registeredBy !== 'self'
}
