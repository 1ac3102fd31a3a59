import { scryptSync } from 'node:crypto'
import { expect } from 'chai'
import { startChild } from '../support/child.ts'
import { compiledModules } from '../support/node-process.ts'

const source = (path: string) =>
  JSON.stringify(new URL(`../../src/${path}`, import.meta.url).pathname)

/** Verifies a right password twice; the second time there are 96 MiB left of the 128 that its hash takes. */
const program = (stored: string) => `
  import { execFileSync } from 'node:child_process'
  import { readFileSync } from 'node:fs'
  import { createPasswords } from ${source('accounts/password.ts')}
  import { createPasswordPolicy } from ${source('accounts/password-policy.ts')}
  const passwords = await createPasswords({
    policy: createPasswordPolicy({ minLength: 8, lists: [], names: [] }),
    memoryKiB: 1024, iterations: 2, queue: (work) => work(),
    log: { error: (members, line) => console.log(line) },
  })
  const verify = () => passwords.verify('correct horse', ${JSON.stringify(stored)})
  console.log(await verify())
  const [, used] = /VmSize:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))
  execFileSync('prlimit', ['--pid', process.pid, '--as=' + (Number(used) + 96 * 1024) * 1024])
  console.log(await verify().catch(() => 'failed'))
`

describe('verifying a password when memory runs out', () => {
  before(function () {
    if (process.platform !== 'linux') this.skip()
  })

  it('fails, instead of reporting a wrong password', async () => {
    const key = scryptSync('correct horse', 'salt', 32, { N: 2 ** 16, r: 16, maxmem: 2 ** 28 })
    const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')
    const stored = `$scrypt$ln=16,r=16,p=1$${base64(Buffer.from('salt'))}$${base64(key)}`
    const child = await startChild(
      process.execPath,
      ['--input-type=module', '-e', program(stored)],
      { env: { ...process.env, ...compiledModules } },
    )
    await child.exit
    expect(child.stdout(), child.stderr()).to.equal('true\nfailed\n')
  })
})
