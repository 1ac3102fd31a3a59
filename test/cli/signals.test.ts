import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { type Child, startChild, temporaryFolder } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'

/** Milliseconds after which a second signal is not a duplicate of the first. */
const later = 400

describe('signals to stop (R-15)', () => {
  /** A process that never stops by itself, and prints the signals that it receives. */
  async function start(call: string): Promise<Child> {
    const module = new URL('../../src/cli/signals.ts', import.meta.url).href
    const path = join(await temporaryFolder('signals'), 'program.ts')
    await writeFile(
      path,
      `import { endBySignals, hangUpSignal, stopSignal } from '${module}'
       setInterval(() => undefined, 1000)
       void ${call}?.then((name) => console.log('stopping', name))
       process.on('SIGTERM', () => console.log('heard'))
       console.log('listens')`,
    )
    const child = await startChild(process.execPath, [path], { cwd: '/', env: {} })
    await eventually('the child listens', () => child.stdout().includes('listens'))
    return child
  }
  const heard = (child: Child) => child.stdout().split('heard').length - 1

  it('end a process at once when repeated', async () => {
    const child = await start('stopSignal()')
    child.signal('SIGINT')
    await eventually('the child stops', () => child.stdout().includes('stopping SIGINT'))
    await pause(later)
    child.signal('SIGTERM')
    expect(await child.exit).to.deep.equal({ code: 1, signal: null })
  })

  it('end a process without other handlers until it installs one (pid 1 of a container)', async () => {
    const child = await start('endBySignals()')
    child.signal('SIGINT')
    expect(await child.exit).to.deep.equal({ code: 130, signal: null })
    const server = await start('(endBySignals(), hangUpSignal(), stopSignal())')
    server.signal('SIGHUP')
    server.signal('SIGTERM')
    await eventually('the child stops gracefully', () =>
      server.stdout().includes('stopping SIGTERM'),
    )
    expect(server.ended()).to.equal(undefined)
    await server.stop('SIGKILL')
  })

  it('do not end a worker that gets them both from its process group and from its supervisor', async () => {
    const child = await start('stopSignal({ secondEnds: false })')
    try {
      child.signal('SIGTERM')
      await eventually('the first signal arrives', () => heard(child) === 1)
      await pause(later)
      child.signal('SIGTERM')
      await eventually('the second signal arrives', () => heard(child) === 2)
      expect(child.ended()).to.equal(undefined)
    } finally {
      await child.stop('SIGKILL')
    }
  })
})
