import { expect } from 'chai'
import { DomainError, type DomainErrorCode, domainErrors, isDomainError } from '../../src/errors.ts'

describe('DomainError', () => {
  it('takes the status, OAuth error and public message from the table', () => {
    const error = new DomainError('hash_queue_full')
    expect(error).to.be.instanceOf(Error)
    expect(error).to.include({
      name: 'DomainError',
      code: 'hash_queue_full',
      status: 503,
      oauth: 'temporarily_unavailable',
      message: error.publicMessage,
    })
    expect(error).not.to.have.property('cause')
  })

  it('keeps the detail out of the public message', () => {
    const cause = new Error('ECONNREFUSED')
    const error = new DomainError('storage_unavailable', { detail: 'Redis at 10.0.0.7', cause })
    expect(error.message).to.equal('Redis at 10.0.0.7')
    expect(error.publicMessage).to.equal('Storage does not answer; try again soon.')
    expect(error.cause).to.equal(cause)
  })

  it('may have a more specific public message', () => {
    const publicMessage = 'The password needs 15 characters.'
    const error = new DomainError('password_policy', { publicMessage, detail: { length: 3 } })
    expect(error).to.include({ publicMessage, message: publicMessage })
    expect(error.detail).to.deep.equal({ length: 3 })
  })

  it('is recognised by type, and by code if one is given', () => {
    const error = new DomainError('not_found')
    expect(isDomainError(error)).to.equal(true)
    expect(isDomainError(error, 'not_found')).to.equal(true)
    expect(isDomainError(error, 'internal')).to.equal(false)
    expect(isDomainError(new Error('not_found'))).to.equal(false)
    expect(isDomainError(undefined)).to.equal(false)
  })

  for (const code of Object.keys(domainErrors) as DomainErrorCode[]) {
    it(`${code} has an error status, and a message with characters that OAuth permits (RFC 6749 §5.2)`, () => {
      const [status, , sentence] = domainErrors[code]
      expect(status).to.be.within(400, 599)
      expect(sentence).to.match(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+\.$/)
    })
  }
})
