import { createHook } from 'node:async_hooks'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect } from 'chai'
import { boot, type TestServer } from '../support/boot.ts'

describe('a server that is stopping', () => {
  let server: TestServer
  let stopped: Promise<void> | undefined
  const stop = () => (stopped ??= server?.stop())
  /** The internal fields of timers in Node. */
  const timers: Array<{ _repeat: number | null; _destroyed: boolean }> = []
  const watch = createHook({
    init(_id, type, _trigger, resource) {
      if (type === 'Timeout') timers.push(resource as (typeof timers)[number])
    },
  })
  before(async () => {
    watch.enable()
    server = await boot('embedded', { TRUST_PROXY: '127.0.0.1' })
  })
  after(() => {
    watch.disable()
    return stop()
  })

  async function ask(socket: Socket): Promise<string> {
    const answer = once(socket, 'data')
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    return String((await answer)[0])
  }

  it("answers a proxy's request on an idle connection with Connection: close, and leaves no timers (R-15)", async () => {
    const open = () => connect(server.core.config.port, '127.0.0.1')
    const [used, idle] = [open(), open()]
    try {
      for (const socket of [used, idle]) {
        expect(await ask(socket)).to.match(/^HTTP\/1.1 200 [^]*keep-alive/i)
      }
      const last = once(used, 'close')
      void stop()
      expect(await ask(used)).to.match(/^HTTP\/1.1 200 [^]*Connection: close/i)
      await last
    } finally {
      // Otherwise the idle connection is closed after a second.
      for (const socket of [used, idle]) socket.destroy()
      await stop()
    }
    const left = timers.filter(({ _repeat, _destroyed }) => _repeat !== null && !_destroyed)
    expect(left.map(({ _repeat }) => _repeat)).to.deep.equal([])
  })
})
