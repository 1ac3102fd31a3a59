import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { checkIssuer } from '../../src/cli/doctor-issuer.ts'
import { type Authority, createAuthority, serverFiles } from '../support/certificates.ts'
import { runCommand } from '../support/node-process.ts'

describe('TLS on the command line', () => {
  let authority: Authority
  let files: Awaited<ReturnType<typeof serverFiles>>
  before(async () => {
    authority = await createAuthority()
    files = await serverFiles(authority)
  })

  it('serve lists every fault and does not start', async () => {
    const { code, stderr } = await runCommand(['serve'], {
      TLS_CERT_FILE: files.keyFile,
      TLS_KEY_FILE: `${files.keyFile}.none`,
      MTLS_PORT: '3000',
    })
    expect(code).to.equal(1)
    expect(stderr)
      .to.include('TLS_CERT_FILE: expected PEM certificates, got something else')
      .and.include(`TLS_KEY_FILE: expected a readable file, got "${files.keyFile}.none" (ENOENT)`)
      .and.include('MTLS_PORT: expected a port other than PORT, got 3000')
  })

  for (const [what, host, expiresIn, status] of [
    ['is valid', 'localhost', 60 * 24 * 3600, 'ok'],
    ['names an IP address', '127.0.0.1', 60 * 24 * 3600, 'ok'],
    ['expires soon', 'localhost', 3 * 24 * 3600, 'warn'],
    ['has expired', 'localhost', -60, 'fail'],
    ['is for another host', 'id.example.com', 60 * 24 * 3600, 'fail'],
  ] as const) {
    it(`doctor reports ${status} for a certificate that ${what}`, async () => {
      const names = [
        { type: 'dns' as const, value: 'localhost' },
        { type: 'ip' as const, value: '127.0.0.1' },
      ]
      await files.write(await authority.issue('CN=x', { names, expiresIn, startsIn: -3600 }))
      const config = loadConfig({
        ISSUER: `https://${host}:1`,
        TLS_CERT_FILE: files.certFile,
        TLS_KEY_FILE: files.keyFile,
      })
      const checks = await checkIssuer(config)
      const certificate = checks.find(({ name }) => name === 'certificate')
      expect(certificate?.message).to.include(files.certFile)
      expect(certificate).to.include({ status })
      expect(checks.map(({ name }) => name)).not.to.include('proxy')
    })
  }
})
