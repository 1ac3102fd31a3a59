import type { Configuration, KoaContextWithOIDC } from 'oidc-provider'
import type { KeySet } from '../signing/key-set.ts'
import { ownMembers } from './adapters/client.ts'
import { enabledAlgorithms } from './algorithms.ts'
import { backchannelFeature } from './backchannel-endpoint.ts'
import type { IssuerContext } from './capabilities.ts'
import { ownTokensOnly } from './client-policy.ts'
import { type DevicePages, deviceFlow } from './device-decision.ts'
import { needsNonce } from './dpop-nonces.ts'
import { encryptionKey } from './encryption-key.ts'
import { engineKeys, externalSigning } from './engine-keys.ts'
import { claimsRules } from './interaction-policy.ts'
import { type ClientCertificates, mtls, usableAuthMethods } from './mtls.ts'
import { requestObjectRules } from './request-object.ts'
import type { ResourceAccess } from './resource-access.ts'
import { routes } from './routes.ts'

/** Secrets of 32 bytes, alike on every node. */
export interface EngineSecrets {
  /** Makes the nonces of DPoP proofs (RFC 9449 §8). */
  dpop: Buffer
  /** Makes the key that request objects are encrypted to. */
  encryption: Buffer
}

interface FeatureParts {
  context: IssuerContext
  access: ResourceAccess
  /** The path of the issuer, without a trailing slash. */
  basePath: string
  pages: FeaturePages
}

/** The pages of the features. */
export interface FeaturePages extends DevicePages {
  logout(ctx: KoaContextWithOIDC, form: { action: string; xsrf: string }): void | Promise<void>
  signedOut(ctx: KoaContextWithOIDC): void | Promise<void>
}

/** The optional features of the engine, as far as this server offers them. */
export function features(
  rules: ReturnType<typeof clientRules>,
  { context, access, basePath, pages }: FeatureParts,
): NonNullable<Configuration['features']> {
  return {
    ...rules.features,
    requestObjects: { enabled: true, assertJwtClaimsAndHeader: requestObjectRules(context.clock) },
    introspection: {
      enabled: true,
      allowedPolicy: (_ctx, client, token) => access.mayIntrospect(client.clientId, token),
    },
    revocation: { enabled: true, allowedPolicy: ownTokensOnly },
    deviceFlow: { ...rules.features.deviceFlow, ...deviceFlow(pages) },
    ciba: { ...rules.features.ciba, ...backchannelFeature(context) },
    resourceIndicators: {
      enabled: true,
      defaultResource: access.defaultResource,
      getResourceServerInfo: access.getResourceServerInfo,
      useGrantedResource: () => true,
    },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx) =>
        pages.logout(ctx, {
          action: `${basePath}${routes.end_session}/confirm`,
          xsrf: (ctx.oidc.session as unknown as { state: { secret: string } }).state.secret,
        }),
      postLogoutSuccessSource: pages.signedOut,
    },
  }
}

/** The part of the configuration that decides what a client may register. */
export function clientRules(
  { config, clock, fetch }: Pick<IssuerContext, 'config' | 'clock' | 'fetch'>,
  keys: KeySet,
  certificates: ClientCertificates,
  secrets: Partial<EngineSecrets> & Pick<EngineSecrets, 'encryption'>,
) {
  return {
    fetch: fetch as NonNullable<Configuration['fetch']>,
    jwks: { keys: [...engineKeys(keys), encryptionKey(secrets.encryption)] },
    responseTypes: ['code'],
    clientAuthMethods: usableAuthMethods(config),
    enabledJWA: enabledAlgorithms,
    subjectTypes: ['public', 'pairwise'],
    // We check it when the client is declared (clients/sector-documents.ts).
    sectorIdentifierUriValidate: () => false,
    scopes: ['openid', 'offline_access'],
    extraClientMetadata: { properties: [...ownMembers] },
    features: {
      devInteractions: { enabled: false },
      pushedAuthorizationRequests: { enabled: true },
      // Only by value, or pushed: a request_uri is never fetched (P-024).
      requestObjects: { enabled: true },
      jwtResponseModes: { enabled: true },
      jwtUserinfo: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => false },
      jwtIntrospection: { enabled: true },
      claimsParameter: { enabled: true, assertClaimsParameter: claimsRules },
      encryption: { enabled: true },
      dPoP: {
        enabled: true,
        ...(secrets.dpop ? { nonceSecret: secrets.dpop } : {}),
        requireNonce: needsNonce(clock),
      },
      externalSigningSupport: externalSigning,
      clientCredentials: { enabled: true },
      // What the device says of itself is not kept: it would prove nothing to a person.
      deviceFlow: {
        enabled: true,
        charset: 'base-20',
        mask: '****-****',
        deviceInfo: () => ({}),
      },
      // No push: it sends tokens that cannot be bound to a key (FAPI-CIBA 5.2.2).
      ciba: {
        enabled: true,
        deliveryModes: ['poll', 'ping'],
        triggerAuthenticationDevice: () => undefined,
        validateRequestContext: () => undefined,
        verifyUserCode: () => undefined,
      },
      mTLS: mtls(config, clock, certificates),
    },
  } satisfies Configuration
}
