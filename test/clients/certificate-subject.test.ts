import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { type SubjectMember, subjectMatches } from '../../src/clients/certificate-subject.ts'
import { clientMetadata } from '../../src/clients/client.ts'
import { selfSigned } from '../support/certificates.ts'

describe('the subject of a client certificate (RFC 8705 §2.1.2)', () => {
  let certificate: X509Certificate
  let wildcard: X509Certificate
  before(async () => {
    const subject = 'C=DE, O=Exa\\, mple+OU=b, CN=wéb'
    const { cert } = await selfSigned(subject, {
      names: [
        { type: 'dns', value: 'web.example.com' },
        { type: 'url', value: 'https://x.example/a, URI:https://evil.example' },
        { type: 'email', value: 'web@example.com' },
        { type: 'ip', value: '2001:db8::1' },
      ],
    })
    certificate = new X509Certificate(cert)
    const names = [{ type: 'dns' as const, value: '*.example.com' }]
    wildcard = new X509Certificate((await selfSigned('CN=web.example.com', { names })).cert)
  })
  const fits = (member: string, expected: string, shown = certificate) =>
    subjectMatches(shown, `tls_client_auth_${member}` as SubjectMember, expected)

  for (const [member, expected] of [
    ['subject_dn', 'CN=wéb,O=Exa\\, mple+OU=b,C=DE'],
    ['subject_dn', 'cn=w\\C3\\A9b, OU=b + O=Exa\\2C mple , C=DE'],
    ['san_dns', 'WEB.example.com'],
    ['san_uri', 'https://x.example/a, URI:https://evil.example'],
    ['san_ip', '2001:db8:0:0::1'],
    ['san_email', 'web@example.com'],
  ]) {
    it(`matches ${member} ${expected}`, () => {
      expect(fits(member as string, expected as string)).to.equal(true)
    })
  }

  for (const [member, expected] of [
    ['subject_dn', 'C=DE,O=Exa\\, mple+OU=b,CN=wéb'],
    ['subject_dn', 'CN=wéb'],
    ['subject_dn', 'CN=WÉB,O=Exa\\, mple+OU=b,C=DE'],
    ['subject_dn', 'CN=wéb,O=Exa\\, mple,OU=b,C=DE'],
    ['subject_dn', 'CN=wéb,O=Exa\\, mple+OU=b,C=DE,DC=x'],
    ['san_dns', 'example.com'],
    ['san_dns', 'wéb'],
    ['san_uri', 'https://evil.example'],
    ['san_uri', 'https://x.example/a'],
    ['san_ip', '2001:db8::2'],
    ['san_email', 'Web@example.com'],
  ]) {
    it(`does not match ${member} ${expected}`, () => {
      expect(fits(member as string, expected as string)).to.equal(false)
    })
  }

  it('does not match by wildcard or common name', () => {
    expect(fits('san_dns', 'web.example.com', wildcard)).to.equal(false)
    expect(fits('san_dns', 'example.com', wildcard)).to.equal(false)
  })
})

describe('registration of clients with certificates', () => {
  const faultsOf = (members: object) =>
    clientMetadata
      .safeParse({ client_id: 'x', grant_types: ['client_credentials'], ...members })
      .error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []
  const subjects =
    'tls_client_auth_subject_dn, tls_client_auth_san_dns, tls_client_auth_san_uri, tls_client_auth_san_ip, tls_client_auth_san_email'
  const tls = { token_endpoint_auth_method: 'tls_client_auth' }
  const selfSignedMethod = { token_endpoint_auth_method: 'self_signed_tls_client_auth' }
  const bound = { tls_client_certificate_bound_access_tokens: true }

  for (const [what, members, ...faults] of [
    ['one name', { ...tls, tls_client_auth_san_dns: 'a.example' }],
    [
      'no name',
      tls,
      `token_endpoint_auth_method: tls_client_auth requires exactly one of ${subjects}`,
    ],
    [
      'two names',
      { ...tls, tls_client_auth_san_dns: 'a.example', tls_client_auth_san_ip: '::1' },
      `token_endpoint_auth_method: tls_client_auth requires exactly one of ${subjects}`,
    ],
    [
      'a name for another method',
      { tls_client_auth_san_dns: 'a.example' },
      'tls_client_auth_san_dns: is allowed only with token_endpoint_auth_method tls_client_auth',
    ],
    [
      'an invalid name',
      { ...tls, tls_client_auth_subject_dn: 'web' },
      'tls_client_auth_subject_dn: must be a distinguished name (RFC 4514) such as CN=web,O=Example',
    ],
    [
      'a value in hexadecimal',
      { ...tls, tls_client_auth_subject_dn: '1.3.6.1=#04024869' },
      'tls_client_auth_subject_dn: must be a distinguished name (RFC 4514) such as CN=web,O=Example',
    ],
    [
      'a wildcard',
      { ...tls, tls_client_auth_san_dns: '*.example' },
      'tls_client_auth_san_dns: must be a DNS name without wildcards',
    ],
    [
      'an invalid address',
      { ...tls, tls_client_auth_san_ip: '1.2.3' },
      'tls_client_auth_san_ip: must be an IP address',
    ],
    [
      'a key without its certificate',
      { ...selfSignedMethod, jwks: { keys: [{ kty: 'EC' }] } },
      'jwks: must have the certificate of each key in x5c (RFC 8705 §2.2.2)',
    ],
    [
      'two kinds of binding',
      { ...bound, dpop_bound_access_tokens: true },
      'tls_client_certificate_bound_access_tokens: must not be combined with dpop_bound_access_tokens: a token is bound to one key',
    ],
    ['bound tokens without rotation', { ...bound, refresh_token_rotation: 'never' }],
    [
      'unbound tokens without rotation',
      { refresh_token_rotation: 'never' },
      'refresh_token_rotation: never requires dpop_bound_access_tokens or tls_client_certificate_bound_access_tokens: a bearer token must rotate (RFC 9700 §4.14)',
    ],
  ] as Array<[string, object, ...string[]]>) {
    it(`${faults.length > 0 ? 'refuses' : 'accepts'} ${what}`, () => {
      expect(faultsOf(members)).to.deep.equal(faults)
    })
  }
})
