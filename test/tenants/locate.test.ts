import { expect } from 'chai'
import { locate } from '../../src/tenants/locate.ts'

describe('the issuer of a URL (P-066, RFC 8414 §3.1)', () => {
  const metadata = '/.well-known/openid-configuration'
  const oauth = '/.well-known/oauth-authorization-server'
  const table: Array<[url: string, base: string, tenant: string | undefined, below: string]> = [
    ['/', '', 'default', '/'],
    ['/token', '', 'default', '/token'],
    ['/authorize?a=1', '', 'default', '/authorize?a=1'],
    [metadata, '', 'default', metadata],
    ['/t/acme', '', 'acme', '/'],
    ['/t/acme?x=1', '', 'acme', '/?x=1'],
    ['/t/acme/token', '', 'acme', '/token'],
    [`/t/acme${metadata}`, '', 'acme', metadata],
    [`${metadata}/t/acme`, '', 'acme', metadata],
    [`${oauth}/t/acme`, '', 'acme', oauth],
    [`${oauth}/t/acme/?x=1`, '', 'acme', `${oauth}?x=1`],
    ['/.well-known/ssf-configuration/t/acme', '', 'acme', '/.well-known/ssf-configuration'],
    ['/auth', '/auth', 'default', '/'],
    ['/auth/token', '/auth', 'default', '/token'],
    [`${oauth}/auth`, '/auth', 'default', oauth],
    [`${oauth}/auth/t/acme`, '/auth', 'acme', oauth],
    ['/auth/t/acme/jwks', '/auth', 'acme', '/jwks'],
    ['/auth?x=1', '/auth', 'default', '/?x=1'],
    ['/authorize', '/auth', undefined, '/authorize'],
    ['/admin/v1/tenants', '/auth', undefined, '/admin/v1/tenants'],
    ['/t/acme/token', '/auth', undefined, '/t/acme/token'],
    [metadata, '/auth', undefined, metadata],
    [`${metadata}/t/acme`, '/auth', undefined, `${metadata}/t/acme`],
    ['/readyz', '/auth', 'default', '/readyz'],
    ['/healthz?x=1', '/auth', 'default', '/healthz?x=1'],
    ['/auth/healthz', '/auth', 'default', '/healthz'],
    ['/t/UPPER/token', '', 'default', '/t/UPPER/token'],
    ['/t/../token', '', 'default', '/t/../token'],
    ['/t//token', '', 'default', '/t//token'],
    ['/t/default/admin/v1/tenants', '', 'default', '/t/default/admin/v1/tenants'],
    [`${metadata}/t/default`, '', 'default', `/t/default${metadata}`],
    ['/auth/t/default', '/auth', 'default', '/t/default'],
  ]
  for (const [url, base, tenant, below] of table) {
    it(`for ${url}, based at ${base || 'the root'}, is ${tenant ?? 'none'}, with the path ${below}`, () => {
      expect(locate(url, base)).to.deep.equal({ tenant, url: below })
    })
  }
})
