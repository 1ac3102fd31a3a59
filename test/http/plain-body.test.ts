import { once } from 'node:events'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { expect } from 'chai'
import { readBody } from '../../src/direct/body.ts'

describe('the body of a plain request', () => {
  it('ends at once when the sender has disconnected before the read, and fails for a later reader', async () => {
    const request = new IncomingMessage(new Socket())
    request.destroy()
    await once(request, 'close')
    expect(await readBody(request, 9)).to.equal(undefined)
    const read = request.iterator?.()[Symbol.asyncIterator]().next()
    expect(await read?.catch((error: Error) => error.message)).to.equal('the client disconnected')
  })
})
