import { expect } from 'chai'
import { derivedId, equalInConstantTime, hashOf, newHandle } from '../../src/secrets/handle.ts'

describe('handles', () => {
  it('are 256 random bits that need no escaping (ASVS 7.2.3)', () => {
    const handles = Array.from({ length: 100 }, newHandle)
    expect(new Set(handles).size).to.equal(100)
    for (const handle of handles) {
      expect(handle).to.match(/^[\w-]{43}$/)
      expect(Buffer.from(handle, 'base64url')).to.have.length(32)
    }
  })

  it('are stored as their SHA-256 (RFC 6234 test vector)', () => {
    const digest = Buffer.from(hashOf('abc'), 'base64url').toString('hex')
    expect(digest).to.equal('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  })

  it('derive ids that separate their parts', () => {
    expect(derivedId('sid', 'a', 'b'))
      .to.equal(derivedId('sid', 'a', 'b'))
      .and.match(/^[\w-]{22}$/)
    expect(derivedId('sid', 'a', 'b')).to.not.equal(derivedId('sid', 'ab', ''))
    expect(derivedId('sid', 'a,b')).to.not.equal(derivedId('sid', 'a', 'b'))
    expect(derivedId('family', 'a')).to.not.equal(derivedId('sid', 'a'))
  })

  it('compare in constant time, whatever their lengths (ASVS 11.2.4)', () => {
    expect(equalInConstantTime('same', 'same')).to.equal(true)
    for (const other of ['', 'sam', 'samf', 'same ', 'Same']) {
      expect(equalInConstantTime('same', other), other).to.equal(false)
    }
  })
})
