import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Configuration } from 'oidc-provider'
import type { Config } from '../../config/config.ts'
import { subjectMatches } from '../clients/certificate-subject.ts'
import { type AuthMethod, authMethods, type ClientMetadata } from '../clients/client.ts'
import type { Clock } from '../clock.ts'
import { revocationsPath, revocationsStreamPath } from '../resources/revocations-resource.ts'
import { routes } from './routes.ts'

/** Client certificates for mutual TLS (RFC 8705): the engine knows nothing of connections. */
export interface ClientCertificates {
  /** The certificate that the caller showed, or that a trusted proxy passed on. */
  of(ctx: { req: IncomingMessage }): X509Certificate | undefined
  /** The authorities whose certificates authenticate clients. */
  authorities(): readonly X509Certificate[]
}

/** For use without requests. */
export const noCertificates: ClientCertificates = { of: () => undefined, authorities: () => [] }

type Mtls = NonNullable<NonNullable<Configuration['features']>['mTLS']>

/** Whether callers can show a certificate here at all. */
function hasMtls({ mtlsPort, mtlsCertificateHeader }: Config): boolean {
  return mtlsPort !== undefined || mtlsCertificateHeader !== undefined
}

/**
 * What this installation offers of RFC 8705, and the engine's checks of certificates. These also run where nothing is
 * offered: earlier tokens may be bound.
 */
export function mtls(config: Config, clock: Clock, certificates: ClientCertificates) {
  const enabled = hasMtls(config)
  const methods = usableAuthMethods(config)
  return {
    enabled,
    certificateBoundAccessTokens: enabled,
    selfSignedTlsClientAuth: methods.includes('self_signed_tls_client_auth'),
    tlsClientAuth: methods.includes('tls_client_auth'),
    getCertificate: certificates.of,
    certificateAuthorized(ctx) {
      const certificate = certificates.of(ctx)
      return (
        certificate !== undefined &&
        certificates.authorities().some((authority) => issued(authority, certificate, clock))
      )
    },
    certificateSubjectMatches(ctx, member, expected) {
      const certificate = certificates.of(ctx)
      return certificate !== undefined && subjectMatches(certificate, member, expected)
    },
  } satisfies Mtls
}

/** The authentication methods that clients can use here. */
export function usableAuthMethods(config: Config): AuthMethod[] {
  const offered = hasMtls(config)
  return authMethods.filter(
    (method) =>
      (method !== 'tls_client_auth' || (offered && config.mtlsCaFile !== undefined)) &&
      (method !== 'self_signed_tls_client_auth' || offered),
  )
}

/**
 * What a client registers that this installation cannot do. Without mutual TLS the engine would ignore such members,
 * and issue unbound tokens.
 */
export function mtlsFault(config: Config, client: ClientMetadata): string | undefined {
  const port = 'needs MTLS_PORT or MTLS_CERTIFICATE_HEADER'
  const { token_endpoint_auth_method: method } = client
  if (!usableAuthMethods(config).includes(method)) {
    const authority = method === 'tls_client_auth' ? ', and MTLS_CA_FILE' : ''
    return `token_endpoint_auth_method: ${method} ${port}${authority}`
  }
  return client.tls_client_certificate_bound_access_tokens && !hasMtls(config)
    ? `tls_client_certificate_bound_access_tokens: ${port}`
    : undefined
}

const clientAuthentication = '1.3.6.1.5.5.7.3.2'

/**
 * Whether an authority itself issued a certificate that may authenticate clients, and both are valid now. No chain is
 * built: `MTLS_CA_FILE` must name the direct issuer, even an intermediate one.
 */
function issued(authority: X509Certificate, certificate: X509Certificate, clock: Clock): boolean {
  // The extended key usages of RFC 5280 §4.2.1.12; a certificate without any may be used for all.
  const usages: readonly string[] | undefined = certificate.keyUsage
  return (
    authority.ca &&
    [authority, certificate].every(({ validFromDate, validToDate }) => {
      const now = clock.now()
      return validFromDate.getTime() <= now && now <= validToDate.getTime()
    }) &&
    (usages === undefined || usages.includes(clientAuthentication)) &&
    certificate.checkIssued(authority) &&
    certificate.verify(authority.publicKey)
  )
}

/** The discovery names of endpoints that programs call directly (RFC 8705 §5). */
const direct = new Set([
  'token',
  'userinfo',
  'introspection',
  'revocation',
  'device_authorization',
  'pushed_authorization_request',
  'backchannel_authentication',
])

const directRoutes: Array<[string, string]> = [
  ...Object.entries<string>(routes).filter(([name]) => direct.has(name)),
  ['revocation_feed', revocationsPath],
  ['revocation_feed_stream', revocationsStreamPath],
]

/** The paths below the issuer that are served on the port that requests certificates. */
export const mutualPaths: readonly string[] = directRoutes.map(([, path]) => path)

/** The endpoints for clients with a certificate, as in discovery; undefined when they are those of all others. */
export function endpointAliases(
  { mtlsOrigin }: Config,
  basePath: string,
): Record<string, string> | undefined {
  if (mtlsOrigin === undefined) return undefined
  return Object.fromEntries(
    directRoutes.map(([name, path]) => [`${name}_endpoint`, mtlsOrigin + basePath + path]),
  )
}
