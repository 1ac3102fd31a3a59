import { expect } from 'chai'
import type { Context } from 'koa'
import { createCsrf } from '../../src/http/csrf.ts'

const secret = Buffer.alloc(32, 1)

function request(headers: Record<string, string>): Context {
  return { get: (name: string) => headers[name] ?? '' } as unknown as Context
}

/** `Origin` and `Sec-Fetch-Site` of a form post, with the issuer, and whether it is accepted. */
const origins: [issuer: string, origin: string, site: string, ours: boolean][] = [
  ['https://auth.example.com', 'https://auth.example.com', 'same-origin', true],
  ['https://auth.example.com', 'https://auth.example.com', '', true],
  ['https://auth.example.com', 'null', 'same-origin', true],
  ['https://auth.example.com', '', '', true],
  ['https://auth.example.com', 'null', 'none', true],
  ['https://auth.example.com', 'https://auth.example.com', 'none', true],
  ['https://auth.example.com', 'https://www.example.com', 'none', false],
  ['https://auth.example.com', 'null', '', false],
  ['https://auth.example.com', 'null', 'cross-site', false],
  ['https://auth.example.com', 'https://auth.example.com', 'cross-site', false],
  ['https://auth.example.com', 'https://auth.example.com', 'same-site', false],
  ['https://auth.example.com', 'https://auth.example.com:444', '', false],
  ['https://auth.example.com', 'http://auth.example.com', '', false],
  ['https://auth.example.com', 'https://www.example.com', '', false],
  ['https://auth.example.com', 'https://auth.example.com.attacker.example', '', false],
  ['https://auth.example.com', 'http://localhost:3000', '', false],
  ['https://auth.example.com', 'nonsense', '', false],
  ['https://auth.example.com/t/acme', 'https://auth.example.com', 'same-origin', true],
  ['http://localhost:3000', 'http://127.0.0.1:3000', 'same-origin', true],
  ['http://localhost:3000', 'http://[::1]:3000', '', true],
  ['http://localhost:3000', 'http://localhost.attacker.example:3000', '', false],
  ['http://localhost:3000', 'https://attacker.example', '', false],
]

describe('http/csrf (C23, ASVS 3.5.1)', () => {
  for (const [issuer, origin, site, ours] of origins) {
    it(`${ours ? 'accepts' : 'refuses'} a form at ${issuer} from "${origin}" (${site || 'no Sec-Fetch-Site'})`, () => {
      const csrf = createCsrf({ secret, issuer })
      const ctx = request({ origin, 'sec-fetch-site': site })
      const check = () => csrf.check(ctx, 'binding', csrf.token('binding'))
      if (ours) expect(check).not.to.throw()
      else expect(check).to.throw().with.property('code', 'csrf_failed')
    })
  }

  it('requires the complete token of this form', () => {
    const csrf = createCsrf({ secret, issuer: 'https://auth.example.com' })
    const token = csrf.token('one')
    const others = [undefined, '', 'x', token.slice(1), `${token}=`, csrf.token('two')]
    const elsewhere = createCsrf({
      secret: Buffer.alloc(32, 2),
      issuer: 'https://auth.example.com',
    })
    for (const given of [...others, elsewhere.token('one')]) {
      expect(() => csrf.check(request({}), 'one', given), String(given))
        .to.throw()
        .with.property('code', 'csrf_failed')
    }
    expect(() => csrf.check(request({}), 'one', token)).not.to.throw()
  })
})
