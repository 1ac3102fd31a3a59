import Provider, { type Adapter } from 'oidc-provider'
import type { ClientMetadata } from '../clients/client.ts'
import type { KeySet } from '../signing/key-set.ts'
import { issuerOf } from '../tenants/tenant.ts'
import { engineMetadata } from './adapters/client.ts'
import type { Capabilities } from './capabilities.ts'
import { clientRules } from './features.ts'
import { noCertificates } from './mtls.ts'

/** An engine that only validates clients of a tenant. @returns rejects with the engine's error for an invalid client */
export function createJudge(
  { config, clock, fetch }: Pick<Capabilities, 'config' | 'clock' | 'fetch'>,
  tenant: string,
  keys: KeySet,
  encryption: Buffer,
): (metadata: ClientMetadata) => Promise<unknown> {
  const provider = new Provider(issuerOf(config.issuer, tenant), {
    ...clientRules({ config, clock, fetch }, keys, noCertificates, { encryption }),
    adapter: () => ({}) as Adapter,
  })
  return (metadata) => provider.Client.validate(engineMetadata(metadata) as never)
}
