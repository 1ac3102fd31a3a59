import Provider, { type Adapter } from 'oidc-provider'
import type { ClientMetadata } from '../clients/client.ts'
import { DomainError } from '../errors.ts'
import type { SigningAlg } from '../signing/signing-key.ts'
import { issuerOf } from '../tenants/tenant.ts'
import { accountClientId } from './account-client.ts'
import { engineMetadata } from './adapters/client.ts'
import type { Capabilities } from './capabilities.ts'
import { clientRules } from './features.ts'
import { mtlsFault, noCertificates } from './mtls.ts'

/**
 * The engine's own judgement of a client, before it is stored: it refuses at every request what it would refuse here.
 * Makes sure that there are keys for the algorithms that the client names.
 * @throws DomainError `client_invalid` with what the engine said
 */
export function createClientCheck({ signing, clock, config, fetch, sharedSecrets }: Capabilities) {
  return async (tenant: string, metadata: ClientMetadata): Promise<void> => {
    const fault =
      metadata.client_id === accountClientId
        ? `client_id: ${accountClientId} belongs to the pages of this server`
        : mtlsFault(config, metadata)
    if (fault) {
      throw new DomainError('client_invalid', {
        detail: { client_id: metadata.client_id, faults: [fault] },
      })
    }
    await signing.ensure(tenant, algsOf(metadata))
    const keys = await signing.open(tenant)
    const encryption = await sharedSecrets.get(tenant, 'encryption')
    const provider = new Provider(issuerOf(config.issuer, tenant), {
      ...clientRules({ config, clock, fetch }, keys, noCertificates, { encryption }),
      adapter: () => ({}) as Adapter,
    })
    await provider.Client.validate(engineMetadata(metadata) as never).catch((cause: Error) => {
      const { error_description: description } = cause as { error_description?: string }
      throw new DomainError('client_invalid', {
        detail: { client_id: metadata.client_id, faults: [description ?? cause.message] },
        cause,
      })
    })
  }
}

/** The algorithms that answers to a client are signed with. */
export function algsOf(metadata: Partial<ClientMetadata>): SigningAlg[] {
  return [
    metadata.id_token_signed_response_alg,
    metadata.userinfo_signed_response_alg,
    metadata.introspection_signed_response_alg,
    metadata.authorization_signed_response_alg,
  ].filter((alg) => alg !== undefined)
}
