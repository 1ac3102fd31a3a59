import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { certificateInHeader } from '../../src/http/client-certificate.ts'
import { anyStorage } from '../support/any-storage.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { createAuthority, type Identity, selfSigned } from '../support/certificates.ts'
import { furnish, spa } from '../support/fixtures.ts'
import { exchange } from '../support/http-exchange.ts'
import { bootMutual, type MutualServer } from '../support/mutual.ts'
import { codeFor, expectRefusal, post, redeem, tokensIn } from '../support/protocol.ts'

/** A certificate in the forms in which proxies put it into a header. */
function forms({ cert }: Identity): Record<string, string> {
  const base64 = new X509Certificate(cert).raw.toString('base64')
  const envoy = (pem: string) => `By=spiffe://x;Hash=00;Cert="${encodeURIComponent(pem)}";URI=a`
  return {
    'RFC 9440': `:${base64}:`,
    'percent-encoded PEM': encodeURIComponent(cert),
    'PEM with spaces': cert.trim().replaceAll('\n', ' '),
    'bare Base64': base64,
    'Envoy, one element': envoy(cert),
    'Envoy, the last of two': `${envoy('somebody')},${envoy(cert)}`,
    'Envoy, after an element sent by the client': `Cert="x";Subject=",${envoy(cert)}`,
    'Envoy, after an element that ends in a backslash': `Cert="x";URI=\\,${envoy(cert)}`,
    'Envoy, with commas in the subject': `${envoy(cert)};Subject="O=\\"x\\",CN=y";DNS=`,
    'Envoy, with a forged Cert in the subject': `Subject="CN=\\";Cert=\\"MIIB";Cert="${encodeURIComponent(cert)}"`,
  }
}

describe('a certificate in a header (RFC 9440)', () => {
  let own: Identity
  before(async () => {
    own = await selfSigned('CN=app')
  })

  it('is read in every form that proxies use', () => {
    const { fingerprint256 } = new X509Certificate(own.cert)
    for (const [form, value] of Object.entries(forms(own))) {
      expect(certificateInHeader(value).fingerprint256, form).to.equal(fingerprint256)
    }
  })

  it('is rejected with anything else in the header', async () => {
    const { 'RFC 9440': rfc = '', 'bare Base64': bare = '' } = forms(own)
    const { raw } = new X509Certificate(own.cert)
    const second = forms(await selfSigned('CN=x'))['RFC 9440']
    const envoy = `Cert="${encodeURIComponent(own.cert)}"`
    for (const value of [
      `${rfc}, ${second}`,
      `${second},${rfc}`,
      `${bare}, ${bare}`,
      Buffer.concat([raw, raw]).toString('base64'),
      rfc.slice(0, 40),
      `:${bare.slice(0, 40)}:`,
      `${encodeURIComponent(own.cert)}${encodeURIComponent(own.cert)}`,
      // Sent by the client, where the proxy adds an element without a certificate.
      `Hash=00;${envoy},Hash=01;URI=spiffe://x`,
      `Hash=00;${envoy},Subject="CN=x,${envoy.replaceAll('"', '\\"')}"`,
      `Hash=00;${envoy};Subject=",Hash=01;Subject="CN=\\"x"`,
      `Hash=00;${envoy};URI=x;${envoy}`,
      `Hash=00;${envoy};URI=x"`,
      `Hash=00;URI="x;${envoy}`,
      `Hash=00;Subject="x";${envoy}x`,
      envoy.replaceAll('"', ''),
      'Hash=00',
      '%',
      '::',
      '(null)',
    ]) {
      expect(() => certificateInHeader(value), value.slice(0, 60)).to.throw()
    }
  })
})

for (const [trustProxy, header] of [
  ['127.0.0.1/32', 'Client-Cert'],
  ['127.0.0.1/32', 'X-Forwarded-Client-Cert'],
  ['10.0.0.0/8', 'Client-Cert'],
] as const) {
  const isTrusted = trustProxy.startsWith('127.')
  describe(`${header} from ${isTrusted ? 'a trusted proxy' : 'any other peer'} (P-055, C17)`, () => {
    const app = { ...spa, client_id: 'app', tls_client_certificate_bound_access_tokens: true }
    let server: TestServer
    let own: Identity
    before(async () => {
      server = await boot(anyStorage, {
        TRUST_PROXY: trustProxy,
        MTLS_CERTIFICATE_HEADER: header,
      })
      await furnish(server)
      await server.core.clients.declare('default', app)
      own = await selfSigned('CN=app')
    })
    after(() => server?.stop())

    async function ask(headers: Record<string, string>) {
      const code = await codeFor(server, app)
      const fields = {
        grant_type: 'authorization_code',
        code,
        redirect_uri: app.redirect_uris[0],
        code_verifier: 'the-verifier-of-all-stories-that-need-only-one',
      }
      return post(server, '/token', app, fields, headers)
    }

    it(isTrusted ? 'is accepted' : 'is ignored in every form', async () => {
      for (const value of Object.values(forms(own))) {
        const page = await ask({ [header]: value })
        if (!isTrusted) expectRefusal(page, 400, 'invalid_grant')
        else expect(decodeJwt(tokensIn(page).access_token)['cnf']).to.have.property('x5t#S256')
      }
    })

    it('is ignored under another header name', async () => {
      const value = forms(own)['RFC 9440'] ?? ''
      for (const name of ['ssl-client-cert', 'x-client-cert', 'client_cert', `${header}-chain`]) {
        expectRefusal(await ask({ [name]: value }), 400, 'invalid_grant')
      }
    })

    if (isTrusted) {
      it('is ignored when it cannot be parsed, which is logged', async () => {
        expectRefusal(await ask({ [header]: ':not a certificate:' }), 400, 'invalid_grant')
        expect(server.logged()).to.include(
          'a proxy passed a header that is not a certificate: check MTLS_CERTIFICATE_HEADER and the proxy',
        )
        expectRefusal(await ask({ [header]: '' }), 400, 'invalid_grant')
        expectRefusal(await ask({}), 400, 'invalid_grant')
      })
    }

    it('adds no mTLS aliases to discovery without MTLS_ORIGIN', async () => {
      const url = new URL(`${server.issuer}/.well-known/openid-configuration`)
      const metadata = (await exchange({ method: 'GET', url, headers: {} })).json()
      expect(metadata).not.to.have.property('mtls_endpoint_aliases')
      expect(metadata).to.have.property('tls_client_certificate_bound_access_tokens', true)
      expect(metadata)
        .to.have.property('token_endpoint_auth_methods_supported')
        .that.includes('self_signed_tls_client_auth')
        .and.not.includes('tls_client_auth')
    })
  })
}

describe('a proxy that presents its own certificate (P-055)', () => {
  const app = { ...spa, client_id: 'app', tls_client_certificate_bound_access_tokens: true }
  let server: MutualServer
  before(async () => {
    server = await bootMutual(anyStorage, {
      TRUST_PROXY: '127.0.0.1/32',
      MTLS_CERTIFICATE_HEADER: 'Client-Cert',
    })
    await furnish(server)
    await server.core.clients.declare('default', app)
  })
  after(() => server?.stop())

  it('is not taken for its clients', async () => {
    const proxy = await (await createAuthority()).issue('CN=proxy')
    const page = await redeem(server.showing(proxy), app, await codeFor(server, app))
    expectRefusal(page, 400, 'invalid_grant')
  })
})
