import { execFileSync } from 'node:child_process'
import { closeSync, constants, existsSync, openSync, readSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { createLogDestination, type LogDestination } from '../../src/log-destination.ts'
import { findProgram } from '../support/binaries.ts'
import { startChild, temporaryFolder } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'

const { O_RDWR, O_RDONLY, O_WRONLY, O_NONBLOCK } = constants

describe('the log destination (ASVS 16.2, 16.5.4)', () => {
  const losses = { lost: 0 }
  const reports: unknown[] = []
  let opened: number[]
  beforeEach(() => {
    losses.lost = 0
    reports.length = 0
    opened = []
  })
  afterEach(() => opened.forEach((fd) => closeSync(fd)))

  function open(path: string, flags: number): number {
    const fd = openSync(path, flags)
    opened.push(fd)
    return fd
  }
  const destinationAt = (fd: number): LogDestination =>
    createLogDestination(fd, losses, (lost, reason) => void reports.push({ lost, reason }))
  async function pipe(): Promise<string> {
    const path = join(await temporaryFolder('log'), 'pipe')
    execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', path])
    return path
  }
  /** Reads everything that is available. */
  function drained(fd: number): string {
    const bytes = Buffer.alloc(1 << 20)
    let text = ''
    try {
      for (let n = readSync(fd, bytes); n > 0; n = readSync(fd, bytes)) {
        text += bytes.toString('latin1', 0, n)
      }
    } catch (error) {
      expect(error).to.have.property('code', 'EAGAIN')
    }
    return text
  }

  it('drops and counts lines that cannot be written, without blocking, even at a fatal error', () => {
    const destination = destinationAt(open('/dev/full', O_WRONLY))
    for (let i = 0; i < 3; i++) destination.write('a line\n')
    destination.flushSync()
    expect(losses.lost).to.equal(3)
    expect(reports).to.deep.equal([])
  })

  it('resumes when a reader returns, and reports how many lines were dropped', async () => {
    const path = await pipe()
    const first = openSync(path, O_RDONLY | O_NONBLOCK)
    const destination = destinationAt(open(path, O_WRONLY | O_NONBLOCK))
    closeSync(first)
    destination.write('lost\n')
    destination.write('lost\n')
    const second = open(path, O_RDONLY | O_NONBLOCK)
    destination.write('there\n')
    expect(drained(second)).to.equal('there\n')
    expect(losses.lost).to.equal(2)
    expect(reports).to.deep.equal([{ lost: 2, reason: 'EPIPE' }])
  })

  it('buffers one MiB for a stalled reader, complete and in order, and drops the rest', async () => {
    const fd = open(await pipe(), O_RDWR | O_NONBLOCK)
    const destination = destinationAt(fd)
    const line = `${'x'.repeat(999)}\n`
    for (let i = 0; i < 2000; i++) destination.write(line)
    destination.flushSync()
    // The content of the pipe; nothing else is written before the next turn of the event loop.
    let text = drained(fd)
    const held = text.length / line.length + Math.floor(2 ** 20 / line.length)
    expect(losses.lost, 'the others are in the buffer and the pipe').to.equal(2000 - held)
    await eventually('the loss is logged', async () => {
      text += drained(fd)
      return reports.length > 0
    })
    expect(text).to.equal(line.repeat(2000 - losses.lost))
    expect(reports).to.deep.equal([{ lost: losses.lost, reason: 'EAGAIN' }])
    destination.write('next\n')
    expect(drained(fd)).to.equal('next\n')
  })

  it('drops nothing for a reader that was slow and has caught up', async () => {
    const fd = open(await pipe(), O_RDWR | O_NONBLOCK)
    const destination = destinationAt(fd)
    const line = `${'x'.repeat(999)}\n`
    for (let i = 0; i < 100; i++) destination.write(line)
    let read = 0
    for (let round = 0; round < 150; round++) {
      read += drained(fd).length
      for (let i = 0; i < 16; i++) destination.write(line)
      // 16 MB per second, as fast as lines are written.
      await pause(1)
    }
    await eventually('the remaining lines are written', async () => {
      read += drained(fd).length
      return read + losses.lost * line.length === (100 + 150 * 16) * line.length
    })
    expect(losses.lost).to.equal(0)
  })

  it('starts a new line after one that was cut off', async () => {
    const fd = open(await pipe(), O_RDWR | O_NONBLOCK)
    const destination = destinationAt(fd)
    destination.write(`${'x'.repeat(2 << 20)}\n`)
    expect(losses.lost).to.equal(1)
    expect(drained(fd)).to.match(/^x+$/)
    destination.write('next\n')
    expect(drained(fd)).to.equal('\nnext\n')
    destination.write('and the next\n')
    expect(drained(fd)).to.equal('and the next\n')
  })

  it('starts a new line after one whose buffered rest was dropped', async () => {
    const path = await pipe()
    const first = openSync(path, O_RDONLY | O_NONBLOCK)
    const destination = destinationAt(open(path, O_WRONLY | O_NONBLOCK))
    destination.write(`${'x'.repeat(1 << 19)}\n`)
    closeSync(first)
    destination.flushSync()
    expect(losses.lost).to.equal(1)
    const second = open(path, O_RDONLY | O_NONBLOCK)
    expect(drained(second)).to.match(/^x+$/)
    destination.write('next\n')
    destination.write('and the next\n')
    expect(drained(second)).to.equal('\nnext\nand the next\n')
  })

  it('does not wait for a stopped terminal (Ctrl-S, a disconnected screen)', async () => {
    const folder = await temporaryFolder('terminal')
    const [began, over] = [join(folder, 'began'), join(folder, 'over')]
    const module = new URL('../../src/log-destination.ts', import.meta.url).href
    const program = `
      import { writeFileSync } from 'node:fs'
      import { createLogDestination, openStandardOutput } from '${module}'
      const losses = { lost: 0 }
      const destination = createLogDestination(openStandardOutput(), losses, () => undefined)
      writeFileSync('${began}', '')
      const fill = () => {
        for (let i = 0; i < 100; i++) destination.write('x'.repeat(999) + '\\n')
        if (losses.lost === 0) setImmediate(fill)
        else writeFileSync('${over}', '')
      }
      fill()`
    const path = join(folder, 'program.ts')
    await writeFile(path, program)
    const terminal = await startChild(
      findProgram('script') as string,
      ['--quiet', '--command', `'${process.execPath}' '${path}'`, '/dev/null'],
      { cwd: folder, env: { PATH: process.env['PATH'] } },
    )
    try {
      await eventually('the process writes', () => existsSync(began))
      terminal.signal('SIGSTOP')
      await eventually('lines are lost', () => existsSync(over))
    } finally {
      await terminal.stop()
    }
  })
})
