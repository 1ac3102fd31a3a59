import { type ClientMetadata, clientMetadata } from '../clients/client.ts'

/**
 * The client id of this server's own pages. The account page signs people in through the same authorization endpoint as
 * every client, so that there is one way to sign in (ASVS 6.3.4).
 */
export const accountClientId = 'keyturn-account'

export function accountClient(issuer: string): ClientMetadata {
  return clientMetadata.parse({
    client_id: accountClientId,
    client_name: 'Your account',
    application_type: 'web',
    redirect_uris: [`${issuer}/account/callback`],
    token_endpoint_auth_method: 'none',
    scope: 'openid',
  })
}
