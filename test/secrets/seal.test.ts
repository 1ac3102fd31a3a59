import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { isDomainError } from '../../src/errors.ts'
import { createEnvelopes, createSealer } from '../../src/secrets/seal.ts'

describe('sealed secrets', () => {
  const key = Buffer.alloc(32, 1)
  const sealerOf = (current: Buffer, ...previous: Buffer[]) => {
    const envelopes = createEnvelopes({ current, previous })
    const seal = async (purpose: string, text: string) => envelopes.seal(purpose, text)
    return { ...createSealer(envelopes, { ...envelopes, seal }, current), ...envelopes }
  }
  const sealer = sealerOf(key)
  const plain = 'the private part: üñí'

  const refuses = (open: () => unknown) => {
    try {
      open()
    } catch (error) {
      expect(isDomainError(error, 'key_encryption_key_invalid'), String(error)).to.equal(true)
      expect(String(error)).to.not.contain(plain)
      return
    }
    throw new Error('the value was opened')
  }

  it('open again for the same purpose, also in another process', () => {
    for (const text of [plain, '', 'x'.repeat(10_000)]) {
      const envelope = sealer.seal('purpose', text)
      expect(sealerOf(Buffer.from(key)).open('purpose', envelope)).to.equal(text)
    }
  })

  it('never look the same and never reveal their content', () => {
    const envelopes = Array.from({ length: 50 }, () => sealer.seal('purpose', plain))
    expect(new Set(envelopes).size).to.equal(50)
    for (const envelope of envelopes) expect(envelope).to.not.contain('private')
  })

  it('name their version and key, so that the key can be rotated', () => {
    const [version, keyId, nonce] = sealer.seal('purpose', plain).split('.')
    expect(version).to.equal('v1')
    expect(keyId).to.equal(sealer.keyId)
    expect(Buffer.from(nonce as string, 'base64url')).to.have.length(12)
    expect(sealerOf(randomBytes(32)).keyId).to.not.equal(sealer.keyId)
  })

  it('do not open when any part was changed', () => {
    const envelope = sealer.seal('purpose', plain)
    const parts = envelope.split('.')
    parts.forEach((part, i) => {
      // The last character may hold unused bits; the first one never does.
      const changed = `${part.startsWith('A') ? 'B' : 'A'}${part.slice(1)}`
      refuses(() => sealer.open('purpose', parts.with(i, changed).join('.')))
    })
    const body = Buffer.from(parts[3] as string, 'base64url')
    for (let i = 0; i < body.length; i++) {
      const changed = Buffer.from(body)
      changed.writeUInt8(changed.readUInt8(i) ^ 1, i)
      refuses(() => sealer.open('purpose', parts.with(3, changed.toString('base64url')).join('.')))
    }
  })

  it('do not open when they are truncated or malformed', () => {
    const envelope = sealer.seal('purpose', plain)
    for (const bad of [
      '',
      'text',
      'v1...',
      `v1.${sealer.keyId}..`,
      envelope.slice(0, -30),
      envelope.split('.').slice(0, 3).join('.'),
    ]) {
      refuses(() => sealer.open('purpose', bad))
    }
  })

  it('do not open for another purpose or under another key', () => {
    const envelope = sealer.seal('signing-key:default:a', plain)
    refuses(() => sealer.open('signing-key:default:b', envelope))
    refuses(() => sealerOf(randomBytes(32)).open('signing-key:default:a', envelope))
  })

  it('have MACs that depend on key, purpose and value', () => {
    const mac = sealer.mac('user-code', 'ABCD')
    expect(mac).to.equal(sealerOf(Buffer.from(key)).mac('user-code', 'ABCD'))
    for (const other of [
      sealer.mac('user-code', 'ABCE'),
      sealer.mac('client-secret', 'ABCD'),
      sealer.mac('user-codeA', 'BCD'),
      sealerOf(randomBytes(32)).mac('user-code', 'ABCD'),
    ]) {
      expect(other).to.not.equal(mac)
    }
  })
})
