import { expect } from 'chai'
import { ConfigError, loadConfig } from '../../config/load.ts'
import { createAuthority, type Identity, selfSigned } from '../support/certificates.ts'

describe('loadConfig, TLS', () => {
  let own: Identity
  let other: Identity
  let files: Record<string, string>
  before(async () => {
    own = await selfSigned('CN=localhost')
    other = await selfSigned('CN=localhost')
    files = {
      '/own.crt': own.cert + (await createAuthority()).cert,
      '/own.key': own.key,
      '/other.key': other.key,
      '/empty': ' ',
      '/text': 'no certificate',
      '/broken': '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    }
  })

  const readFile = (path: string) => {
    const content = files[path]
    if (content === undefined) throw Object.assign(new Error('no'), { code: 'EACCES' })
    return content
  }
  const faultsOf = (env: NodeJS.ProcessEnv): readonly string[] => {
    try {
      loadConfig(env, readFile)
      return []
    } catch (error) {
      if (error instanceof ConfigError) return error.faults
      throw error
    }
  }
  const pair = { TLS_CERT_FILE: '/own.crt', TLS_KEY_FILE: '/own.key' }

  it('defaults to an https issuer, and to an mTLS origin with MTLS_PORT', () => {
    const config = loadConfig({ ...pair, MTLS_PORT: '8443', MTLS_CA_FILE: '/own.crt' }, readFile)
    expect(config).to.include({
      issuer: 'https://localhost:3000',
      mtlsOrigin: 'https://localhost:8443',
      tlsCertFile: '/own.crt',
    })
    expect(loadConfig({}, readFile)).to.include({ mtlsOrigin: undefined, mtlsPort: undefined })
  })

  it('accepts a certificate header from a trusted proxy without TLS of its own', () => {
    const env = {
      ISSUER: 'https://id.example.com',
      TRUST_PROXY: '10.0.0.1',
      MTLS_CERTIFICATE_HEADER: 'Client-Cert',
      MTLS_ORIGIN: 'https://mtls.example.com/',
    }
    expect(loadConfig(env, readFile)).to.include({
      mtlsCertificateHeader: 'client-cert',
      mtlsOrigin: 'https://mtls.example.com',
    })
  })

  for (const [what, env, ...faults] of [
    [
      'a lone certificate',
      { TLS_CERT_FILE: '/own.crt' },
      'TLS_CERT_FILE: expected TLS_KEY_FILE to be set as well, it is not',
    ],
    [
      'a lone key',
      { TLS_KEY_FILE: '/own.key' },
      'TLS_KEY_FILE: expected TLS_CERT_FILE to be set as well, it is not',
    ],
    [
      'the key of another certificate',
      { ...pair, TLS_KEY_FILE: '/other.key' },
      'TLS_KEY_FILE: expected the key of the first certificate in TLS_CERT_FILE, got a different key',
    ],
    [
      'two unreadable files',
      { TLS_CERT_FILE: '/absent.crt', TLS_KEY_FILE: '/empty' },
      'TLS_CERT_FILE: expected a readable file, got "/absent.crt" (EACCES)',
      'TLS_KEY_FILE: expected a file with a value, got "/empty", which is empty',
    ],
    [
      'files with other content, together with other faults',
      { TLS_CERT_FILE: '/text', TLS_KEY_FILE: '/text', LOG_LEVEL: 'loud' },
      'LOG_LEVEL: expected one of fatal, error, warn, info, debug, trace, silent, got "loud"',
      'TLS_CERT_FILE: expected PEM certificates, got something else',
      'TLS_KEY_FILE: expected an unencrypted PEM private key, got something else',
    ],
    [
      'a broken certificate',
      { ...pair, TLS_CERT_FILE: '/broken' },
      'TLS_CERT_FILE: expected PEM certificates, got something else',
    ],
    [
      'an http issuer',
      { ...pair, ISSUER: 'http://localhost:3000' },
      'ISSUER: expected an https URL because TLS_CERT_FILE is set, got "http://localhost:3000"',
    ],
    [
      'a second port without TLS',
      { MTLS_PORT: '8443' },
      'MTLS_PORT: expected TLS_CERT_FILE to be set as well, it is not',
    ],
    [
      'one port for both',
      { ...pair, MTLS_PORT: '3000' },
      'MTLS_PORT: expected a port other than PORT, got 3000',
    ],
    [
      'a header without trusted proxies',
      { MTLS_CERTIFICATE_HEADER: 'Client-Cert' },
      'MTLS_CERTIFICATE_HEADER: expected TRUST_PROXY to be set as well, it is not',
    ],
    [
      'an invalid header name',
      { TRUST_PROXY: '::1', MTLS_CERTIFICATE_HEADER: 'a b' },
      'MTLS_CERTIFICATE_HEADER: expected a header name, got "a b"',
    ],
    [
      'an origin without a port or a header',
      { MTLS_ORIGIN: 'https://m.example.com' },
      'MTLS_ORIGIN: expected MTLS_PORT or MTLS_CERTIFICATE_HEADER to be set as well, it is not',
    ],
    [
      'an origin with a path',
      { ...pair, MTLS_PORT: '1', MTLS_ORIGIN: 'https://m.example.com/x' },
      'MTLS_ORIGIN: expected an https URL with a host, optionally a port, and nothing else, got "https://m.example.com/x" (it has further parts)',
    ],
    [
      'certificate authorities without a port or a header',
      { MTLS_CA_FILE: '/own.crt' },
      'MTLS_CA_FILE: expected MTLS_PORT or MTLS_CERTIFICATE_HEADER to be set as well, it is not',
    ],
  ] as const) {
    it(`refuses ${what}`, () => {
      expect(faultsOf(env)).to.deep.equal(faults)
    })
  }
})
