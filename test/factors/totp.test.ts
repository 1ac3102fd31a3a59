import { expect } from 'chai'
import { qrCode } from '../../src/factors/qr-code.ts'
import { newRecoveryCodes, recoveryCodeIn } from '../../src/factors/recovery-codes.ts'
import {
  base32,
  newTotpSecret,
  stepOfCode,
  totpCode,
  totpCodeIn,
  totpUri,
} from '../../src/factors/totp.ts'

const secret = base32(Buffer.from('12345678901234567890'))

describe('one-time codes of an app (RFC 6238)', () => {
  it('match the test vectors of the RFC', () => {
    expect(secret).to.equal('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ')
    for (const [time, code] of [
      [59, '287082'],
      [1_111_111_109, '081804'],
      [1_111_111_111, '050471'],
      [1_234_567_890, '005924'],
      [2_000_000_000, '279037'],
      [20_000_000_000, '353130'],
    ] as const) {
      expect(totpCode(secret, Math.floor(time / 30))).to.equal(code)
    }
  })

  it('are accepted in their own step and the two adjacent ones only (ASVS 6.5.5)', () => {
    const code = totpCode(secret, 1000)
    for (const [step, taken] of [
      [998, false],
      [999, true],
      [1000, true],
      [1001, true],
      [1002, false],
    ] as const) {
      const found = [stepOfCode(secret, code, step * 30), stepOfCode(secret, code, step * 30 + 29)]
      expect(found, String(step)).to.deep.equal(taken ? [1000, 1000] : [undefined, undefined])
    }
  })

  it('may be typed in groups or full-width digits, and have exactly six digits', () => {
    for (const typed of ['287082', '287 082', ' 287-082 ', '２８７０８２']) {
      expect(totpCodeIn(typed)).to.equal('287082')
    }
    for (const typed of ['', '28708', '2870822', '28708a', '-28708']) {
      expect(totpCodeIn(typed)).to.equal(undefined)
    }
  })

  it('are made from a secret of 160 random bits, which the QR code contains', () => {
    const secrets = new Set(Array.from({ length: 1000 }, newTotpSecret))
    expect(secrets).to.have.property('size', 1000)
    for (const each of secrets) expect(each).to.match(/^[A-Z2-7]{32}$/)
    const uri = new URL(totpUri(secret, 'a&b=c@example.com', 'Wonder & land'))
    expect([uri.protocol, uri.host, decodeURIComponent(uri.pathname)]).to.deep.equal([
      ...['otpauth:', 'totp', '/Wonder & land:a&b=c@example.com'],
    ])
    expect(Object.fromEntries(uri.searchParams)).to.deep.equal({
      ...{ secret, issuer: 'Wonder & land', algorithm: 'SHA1', digits: '6', period: '30' },
    })
    expect(qrCode(uri.href))
      .to.match(/^<svg [^>]+>.*<\/svg>$/s)
      .and.not.match(/script|href|style=/)
  })
})

describe('recovery codes', () => {
  it('are ten of 125 random bits each, so that a fast hash is enough (ASVS 6.5.2, 6.5.3, 6.5.4)', () => {
    const codes = Array.from({ length: 200 }, newRecoveryCodes).flat()
    expect(new Set(codes)).to.have.property('size', 2000)
    const counts = new Map<string, number>()
    for (const code of codes) {
      expect(code).to.match(/^([a-z2-7]{5}-){4}[a-z2-7]{5}$/)
      for (const character of code.replaceAll('-', '')) {
        counts.set(character, (counts.get(character) ?? 0) + 1)
      }
    }
    const expected = (2000 * 25) / 32
    const square = [...counts.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)
    // Chi-squared with 31 degrees of freedom exceeds 110 once in ten billion runs.
    expect([counts.size, square < 110], String(square)).to.deep.equal([32, true])
  })

  it('may be typed in any case and grouping', () => {
    const [code = ''] = newRecoveryCodes()
    const plain = code.replaceAll('-', '')
    for (const typed of [code, plain, code.toUpperCase(), ` ${code.replaceAll('-', ' ')} `]) {
      expect(recoveryCodeIn(typed)).to.equal(plain)
    }
    for (const typed of ['', plain.slice(1), `${plain}a`, plain.replace(/^./, '1')]) {
      expect(recoveryCodeIn(typed)).to.equal(undefined)
    }
  })
})
