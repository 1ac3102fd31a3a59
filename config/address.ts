import { certificateFault, keyFault } from './certificates.ts'
import { contentOf, type Earlier, Fault, type Setting } from './setting.ts'
import {
  file,
  headerName,
  host,
  integer,
  isLoopbackHost,
  issuer,
  networks,
  origin,
} from './values.ts'

/** Addresses, proxies and TLS: a part of the table in config.ts. */
export const address = {
  port: {
    env: 'PORT',
    group: 'Address',
    schema: integer(1, 65535),
    default: '3000',
    description: 'The TCP port to listen on.',
  },
  tlsCertFile: {
    env: 'TLS_CERT_FILE',
    group: 'TLS',
    schema: file,
    description:
      'The certificate of this server in PEM, followed by its chain. If set, the server terminates TLS 1.3 itself. A renewed file is loaded within seconds, without a restart.',
  },
  tlsKeyFile: {
    env: 'TLS_KEY_FILE',
    group: 'TLS',
    schema: file,
    description: 'The private key of that certificate in PEM, unencrypted.',
  },
  issuer: {
    env: 'ISSUER',
    group: 'Address',
    schema: issuer,
    default: {
      text: '`http://localhost:$PORT`, https with `TLS_CERT_FILE`',
      from: ({ port: number, tlsCertFile }: Earlier) =>
        number ? `http${tlsCertFile ? 's' : ''}://localhost:${number}` : undefined,
    },
    description:
      'The issuer identifier: the public URL of this server, including any path. It is in every token; changing it invalidates them. A trailing slash is dropped.',
  },
  host: {
    env: 'HOST',
    group: 'Address',
    schema: host,
    default: {
      text: '`127.0.0.1` when the host of the issuer is loopback, else `0.0.0.0`',
      from: (earlier: Earlier) =>
        earlier.issuer &&
        (isLoopbackHost(new URL(earlier.issuer).hostname) ? '127.0.0.1' : '0.0.0.0'),
    },
    description:
      'The address to listen on. By default, a server with a loopback issuer cannot be reached from other machines.',
  },
  trustProxy: {
    env: 'TRUST_PROXY',
    group: 'Address',
    schema: networks,
    default: '',
    description:
      'The reverse proxies whose `X-Forwarded-For` is trusted. Without it, the client address is the peer of the connection. URLs never depend on forwarding headers.',
  },
  mtlsPort: {
    env: 'MTLS_PORT',
    group: 'TLS',
    schema: integer(1, 65535),
    description:
      'The TCP port for clients with a certificate (RFC 8705). It serves only endpoints for programs, so that browsers do not ask users for a certificate. Requires `TLS_CERT_FILE`.',
  },
  mtlsCertificateHeader: {
    env: 'MTLS_CERTIFICATE_HEADER',
    group: 'TLS',
    schema: headerName,
    description:
      "The header in which a reverse proxy passes the client's certificate: `Client-Cert` (RFC 9440), or one with PEM or Base64. Trusted only from `TRUST_PROXY`; the proxy must overwrite any value from the client.",
  },
  mtlsOrigin: {
    env: 'MTLS_ORIGIN',
    group: 'TLS',
    schema: origin,
    optional: true,
    default: {
      text: 'the host of the issuer with `MTLS_PORT`',
      from: ({ issuer: base, mtlsPort }: Earlier) =>
        base && mtlsPort ? `https://${new URL(base).hostname}:${mtlsPort}` : undefined,
    },
    description:
      'The public origin for clients with a certificate: that of `mtls_endpoint_aliases` in discovery.',
  },
  mtlsCaFile: {
    env: 'MTLS_CA_FILE',
    group: 'TLS',
    schema: file,
    description:
      'The certificate authorities, in PEM, for clients with `tls_client_auth`. A renewed file is loaded within seconds.',
  },
} satisfies Record<string, Setting>

type Env = keyof typeof address

/** Checks these settings against each other and against the files that they name. */
export function addressFaults(
  given: Partial<Record<Env, unknown>>,
  readFile: (path: string) => string,
): string[] {
  const has = (key: Env) => given[key] !== undefined
  const needs = (key: Env, ...others: Env[]) =>
    has(key) && !others.some(has)
      ? `${address[key].env}: expected ${others.map((other) => address[other].env).join(' or ')} to be set as well, it is not`
      : undefined
  const mtls = ['mtlsPort', 'mtlsCertificateHeader'] as const
  const trusted = given.trustProxy as string[] | undefined

  return [
    needs('tlsCertFile', 'tlsKeyFile'),
    needs('tlsKeyFile', 'tlsCertFile'),
    needs('mtlsPort', 'tlsCertFile'),
    needs('mtlsOrigin', ...mtls),
    needs('mtlsCaFile', ...mtls),
    has('tlsCertFile') && String(given.issuer).startsWith('http:')
      ? `ISSUER: expected an https URL because TLS_CERT_FILE is set, got "${String(given.issuer)}"`
      : undefined,
    has('mtlsPort') && given.mtlsPort === given.port
      ? `MTLS_PORT: expected a port other than PORT, got ${String(given.mtlsPort)}`
      : undefined,
    has('mtlsCertificateHeader') && trusted?.length === 0
      ? 'MTLS_CERTIFICATE_HEADER: expected TRUST_PROXY to be set as well, it is not'
      : undefined,
    ...fileFaults(given, readFile),
  ].filter((fault) => fault !== undefined)
}

function fileFaults(
  given: Partial<Record<Env, unknown>>,
  readFile: (path: string) => string,
): Array<string | undefined> {
  const faults: Array<string | undefined> = []
  const read = (key: Env): string | undefined => {
    const path = given[key]
    if (typeof path !== 'string') return undefined
    try {
      return contentOf(address[key].env, path, readFile)
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault
      faults.push(fault.message)
      return undefined
    }
  }
  const [cert, key, ca] = [read('tlsCertFile'), read('tlsKeyFile'), read('mtlsCaFile')]
  if (cert) faults.push(prefixed('TLS_CERT_FILE', certificateFault(cert)))
  if (key) faults.push(prefixed('TLS_KEY_FILE', keyFault(key, cert)))
  if (ca) faults.push(prefixed('MTLS_CA_FILE', certificateFault(ca)))
  return faults
}

const prefixed = (env: string, fault: string | undefined) => fault && `${env}: ${fault}`
