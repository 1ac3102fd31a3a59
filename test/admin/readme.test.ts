import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { freshStorage } from '../support/boot.ts'
import { temporaryFolder } from '../support/child.ts'
import { startNode } from '../support/node-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const run = promisify(execFile)

describe('the admin API section of README.md', () => {
  it('lets a newcomer register a client with curl in under three minutes', async () => {
    const [, section = ''] =
      /^## The admin API\n(.+?)^## /ms.exec(readFileSync(`${root}README.md`, 'utf8')) ?? []
    const commands = [...section.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block)
    expect(commands).to.have.length(4)
    const env = await freshStorage('embedded')
    const node = await startNode({ env })
    try {
      // As a user types it, except for the address and the folder, in which npm would not find the project.
      const script = commands
        .join('\n')
        .replaceAll('http://localhost:3000', node.url)
        .replace('npm run --silent keyturn --', `'${process.execPath}' '${root}src/main.ts'`)
      const { stdout } = await run('sh', ['-ec', script], {
        cwd: await temporaryFolder('newcomer'),
        env: { ...process.env, ...env, PORT: new URL(node.url).port },
      })
      const answers = stdout.trim().replaceAll('}{', '}\n{').split('\n')
      const [created, listed] = answers.map((text) => JSON.parse(text) as Record<string, unknown>)
      expect(created).to.include({ client_name: 'Web shop' })
      expect(created?.['client_secret']).to.match(/^[\w-]{43}$/)
      const [only] = (listed?.['items'] ?? []) as Array<Record<string, unknown>>
      expect(only).to.include({ client_id: created?.['client_id'] })
    } finally {
      await node.stop()
    }
  })
})
