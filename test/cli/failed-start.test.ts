import { expect } from 'chai'
import { runCommand } from '../support/node-process.ts'

/** Simulates a library with an open handle: a timer that never ends. */
const lingering = { NODE_OPTIONS: '--import=data:text/javascript,setInterval(()=>{},60000)' }

describe('a server that failed to start', () => {
  it('exits with code 1 despite open handles', async () => {
    const { code, signal, stderr } = await runCommand(['serve'], { ...lingering, WORKERS: '2' })
    expect(stderr).to.include('keyturn: WORKERS: expected 1 without DATABASE_URL')
    expect([code, signal]).to.deep.equal([1, null])
  })
})
