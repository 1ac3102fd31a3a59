import type Provider from 'oidc-provider'
import type { Core } from '../../src/core.ts'
import { noCertificates } from '../../src/oidc/mtls.ts'
import { createProvider } from '../../src/oidc/provider.ts'
import { createResourceAccess } from '../../src/oidc/resource-access.ts'
import { createStructuredTokens } from '../../src/oidc/structured-tokens.ts'
import { issuerOf } from '../../src/tenants/tenant.ts'

/**
 * The engine configured as by an issuer of this core, without our middleware: for the answers of its own handlers. No
 * request may need a page.
 */
export async function bareEngine(core: Core, tenant: string): Promise<Provider> {
  const issuer = issuerOf(core.config.issuer, tenant)
  const context = { ...core, tenant, issuer, canSignUp: false }
  const keys = await core.signing.open(tenant)
  const unseen = () => {
    throw new Error('expected no page')
  }
  return createProvider({
    context,
    keys,
    cookieSecret: Buffer.from('of no matter'),
    dpop: await core.sharedSecrets.get(tenant, 'dpop'),
    encryption: await core.sharedSecrets.get(tenant, 'encryption'),
    structured: createStructuredTokens(context, keys),
    access: createResourceAccess(context),
    certificates: noCertificates,
    pages: { error: unseen, device: unseen, logout: unseen, signedOut: unseen },
  })
}
