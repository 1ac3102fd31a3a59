import { z } from 'zod'
import type { ClientMetadata } from './client.ts'
import { clientSigningAlgs } from './client-jose.ts'
import { redirectUriFault } from './redirect-uri.ts'

/** Client metadata for backchannel authentication (OpenID CIBA Core §4). */
export const backchannelMembers = {
  backchannel_token_delivery_mode: z
    .enum(['poll', 'ping'], {
      error: ({ input }) =>
        input === 'push'
          ? 'must be poll or ping: push is not supported, as it cannot bind tokens to a key of the client (FAPI-CIBA 5.2.2)'
          : 'must be poll or ping',
    })
    .optional(),
  backchannel_client_notification_endpoint: z.string().optional(),
  backchannel_authentication_request_signing_alg: z.enum(clientSigningAlgs).optional(),
  backchannel_user_code_parameter: z
    .literal(false, { error: 'must be false: user codes are not supported' })
    .default(false),
}

/** What keeps a client from the grant: member → what it must be. */
export function backchannelFaults(client: ClientMetadata): [keyof ClientMetadata, string][] {
  const faults: [keyof ClientMetadata, string][] = []
  const {
    token_endpoint_auth_method: method,
    backchannel_token_delivery_mode: mode,
    backchannel_client_notification_endpoint: endpoint,
  } = client
  if (method === 'none') {
    faults.push([
      'token_endpoint_auth_method',
      'must not be none: backchannel requests require client authentication (CIBA §7.1)',
    ])
  }
  if (mode === undefined) {
    faults.push([
      'backchannel_token_delivery_mode',
      'must be poll or ping for this grant (CIBA §4)',
    ])
  }
  if (mode === 'ping' && endpoint === undefined) {
    faults.push(['backchannel_client_notification_endpoint', 'is required for ping (CIBA §4)'])
  }
  const uriFault = endpoint === undefined ? undefined : redirectUriFault(endpoint, 'web')
  if (uriFault !== undefined) faults.push(['backchannel_client_notification_endpoint', uriFault])
  if (client.fapi && client.backchannel_authentication_request_signing_alg === undefined) {
    faults.push([
      'backchannel_authentication_request_signing_alg',
      'is required: requests must be signed (FAPI-CIBA 5.2.2)',
    ])
  }
  return faults
}
