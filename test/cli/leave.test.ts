import { spawnSync } from 'node:child_process'
import { expect } from 'chai'

describe('a server that has stopped', () => {
  it('ends although something is still waited for, with its exit code', () => {
    const leave = new URL('../../src/cli/leave.ts', import.meta.url)
    const script = `
      const { leaveSoon } = await import(${JSON.stringify(leave)})
      process.exitCode = 3
      setTimeout(() => { process.exitCode = 4 }, 60_000)
      leaveSoon()`
    const options = ['--input-type=module', '--eval', script]
    const { status, signal } = spawnSync(process.execPath, options, { timeout: 30_000 })
    expect([status, signal]).to.deep.equal([3, null])
  })
})
