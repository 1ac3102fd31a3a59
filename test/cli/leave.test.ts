import { expect } from 'chai'
import { runCommand } from '../support/node-process.ts'

/** As a library that waits for something for ever: a timer that nobody stops. */
const lingering = { NODE_OPTIONS: '--import=data:text/javascript,setInterval(()=>{},60000)' }

describe('a server that did not start', () => {
  it('ends although something is still waited for, with exit code 1', async () => {
    const { code, signal, stderr } = await runCommand(['serve'], { ...lingering, WORKERS: '2' })
    expect(stderr).to.include('keyturn: WORKERS: expected 1 without DATABASE_URL')
    expect([code, signal]).to.deep.equal([1, null])
  })
})
