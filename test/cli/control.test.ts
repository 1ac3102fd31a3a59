import { mkdir, stat, writeFile } from 'node:fs/promises'
import { createConnection, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect } from 'chai'
import type { Emit } from '../../src/cli/command.ts'
import { askServer } from '../../src/cli/control-client.ts'
import { serveControl } from '../../src/cli/control-server.ts'
import { doctorStorage } from '../../src/cli/doctor-storage.ts'
import { describeFailure } from '../../src/cli/failure.ts'
import { runCommand } from '../../src/cli/run.ts'
import { isDomainError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import type { Capabilities } from '../../src/oidc/capabilities.ts'
import { freshStorage } from '../support/boot.ts'
import { temporaryFolder } from '../support/child.ts'
import { openNode } from '../support/cores.ts'

// The requests of these tests end before they need a capability.
const core = { log: createLog({ level: 'silent' }) } as Capabilities

async function failureOf(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => expect.fail('it succeeded'),
    (error: unknown) => error as Error,
  )
}

function say(path: string, words: string): Promise<string> {
  const socket = createConnection(path)
  socket.end(words)
  return text(socket)
}

describe('The control socket', () => {
  let folder: string

  beforeEach(async () => {
    folder = await temporaryFolder('control')
  })

  it('is accessible only to the user of the server (0600) and removed when the server stops', async () => {
    const path = join(folder, 'control.sock')
    const server = await serveControl(core, path)
    expect(((await stat(path)).mode & 0o777).toString(8)).to.equal('600')
    await server.close()
    expect(await stat(path).catch(() => undefined)).to.equal(undefined)
    expect(await askServer(path, { command: 'keys list', input: {} })).to.equal(undefined)
  })

  it('works in a folder whose path is longer than a socket address may be', async () => {
    const long = join(folder, 'd'.repeat(150))
    await mkdir(long)
    const path = join(long, 'control.sock')
    const server = await serveControl(core, path)
    try {
      expect((await stat(path)).isSocket()).to.equal(true)
      const failure = await failureOf(askServer(path, { command: 'nonsense', input: {} }))
      expect(failure.message).to.include('a different version')
    } finally {
      await server.close()
    }
    expect(await stat(path).catch(() => undefined)).to.equal(undefined)
  })

  it('replaces the socket of a server that has died, and nothing else', async () => {
    const path = join(folder, 'control.sock')
    const first = await serveControl(core, path)
    const second = await serveControl(core, path)
    expect(await failureOf(askServer(path, { command: 'nonsense', input: {} }))).to.be.an('error')
    await second.close()
    await first.close()

    await writeFile(path, 'mine')
    const failure = await failureOf(serveControl(core, path))
    expect(isDomainError(failure, 'config_invalid')).to.equal(true)
  })

  it('answers malformed requests with an error, and continues', async () => {
    const path = join(folder, 'control.sock')
    const server = await serveControl(core, path)
    try {
      for (const line of ['garbage', '{"command":"constructor"}', '{"command":"keys list"}']) {
        const answer: unknown = JSON.parse(await say(path, `${line}\n`))
        expect(answer).to.have.nested.property('error.code', 'internal')
      }
      expect(await say(path, 'no end of line')).to.equal('')
    } finally {
      await server.close()
    }
  })

  it('accepts requests of up to 32 MiB, refuses larger ones with advice, and does not limit responses', async () => {
    const path = join(folder, 'control.sock')
    const server = await serveControl(core, path)
    const long = 'x'.repeat(33 * 1024 * 1024)
    try {
      const said = 'The running server accepts at most 32 MiB per command'
      const answer: unknown = JSON.parse(await say(path, long))
      expect(answer).to.have.nested.property('error.detail').that.includes(said)
      const failure = await failureOf(askServer(path, { command: 'apply', input: long }))
      expect(describeFailure(failure)).to.include(said).and.include('Stop the server')
    } finally {
      await server.close()
    }
    const other = createServer((socket) => socket.end(`{"result":"${long}"}\n`)).listen(path)
    try {
      const answer = await askServer(path, { command: 'apply', input: {} })
      expect(answer?.result === long).to.equal(true)
    } finally {
      other.close()
    }
  })

  it('closes idle connections when the server stops', async () => {
    const path = join(folder, 'control.sock')
    const server = await serveControl(core, path)
    const caller = createConnection(path)
    await new Promise((resolve) => caller.once('connect', resolve))
    const closed = new Promise((resolve) => caller.once('close', resolve))
    await server.close()
    await closed
  })

  it('streams a result part by part, and stops the work when the caller stops reading', async () => {
    const env = await freshStorage('embedded')
    const storage = await openNode(env)
    await storage.database.execute(
      `insert into accounts (tenant_id, id, email, email_key, email_verified, roles, created_at, updated_at)
       select 'default', 'filler-' || i, 'filler' || i || '@example.com', 'filler' || i || '@example.com', true, '{}',
         now(), now() from generate_series(1, 1500) i`,
    )
    const path = join(env['DATA_DIR'] as string, 'control.sock')
    const server = await serveControl(storage, path)
    try {
      const ask = (take: Emit) =>
        askServer(path, { command: 'export', input: { tenant: 'default' } }, take)
      const sizes: number[] = []
      const answer = await ask(async (part) => {
        sizes.push((part as { items?: unknown[] }).items?.length ?? 0)
      })
      expect(answer).to.deep.equal({ result: null })
      expect(sizes).to.deep.equal([0, 1000, 501])

      const full = new Error('there is no room')
      expect(await failureOf(ask(() => Promise.reject(full)))).to.equal(full)
      // The only connection is free again.
      expect(await storage.database.query('select 1')).to.have.length(1)

      const { lists } = storage.accounts
      const { page } = lists
      let pages = 0
      lists.page = (...which) => {
        pages++
        return page(...which)
      }
      const asked: number[] = []
      await runCommand(
        'accounts list',
        { operands: [], options: { tenant: 'default' } },
        {
          env,
          stdin: async () => '',
          err: () => undefined,
          async out() {
            await askServer(path, { command: 'keys list', input: { tenant: 'default' } })
            asked.push(pages)
          },
        },
      )
      expect(asked, 'a page is fetched only after the previous one was taken').to.deep.equal([1, 2])
    } finally {
      await server.close()
      await storage.close()
    }
  })

  it('reports why Postgres failed in the same way as a command without a server (53100: disk full)', async () => {
    const storage = await openNode(await freshStorage('embedded'))
    const full = 'could not extend file "base/5/16465": No space left on device'
    await storage.database.execute(
      `create function fail() returns trigger language plpgsql as $$ begin
         raise exception '${full}' using errcode = 'disk_full';
       end $$`,
    )
    await storage.database.execute(
      'create trigger full_disk before insert on clients execute function fail()',
    )
    const path = join(folder, 'control.sock')
    const server = await serveControl(storage, path)
    try {
      const client = { client_id: 'machine', grant_types: ['client_credentials'] }
      const input = { tenant: 'default', client }
      const failure = await failureOf(askServer(path, { command: 'clients create', input }))
      expect(isDomainError(failure, 'storage_unavailable'), failure.message).to.equal(true)
      expect(describeFailure(failure)).to.equal(full)
      await storage.database.execute(
        `create function refuse() returns event_trigger language plpgsql as $$ begin
           raise exception '${full}' using errcode = 'disk_full';
         end $$`,
      )
      await storage.database.execute(
        'create event trigger full_disk on ddl_command_start execute function refuse()',
      )
      const [found] = await doctorStorage.execute(storage, {})
      expect(found).to.include({ name: 'storage', status: 'fail' })
      expect(found?.message).to.include(full)
    } finally {
      await server.close()
      await storage.close()
    }
  })

  it('reports that a command is in progress, however long it takes', async () => {
    const path = join(folder, 'control.sock')
    const slow = Promise.withResolvers<unknown[]>()
    const tenants = { list: () => slow.promise }
    const server = await serveControl({ ...core, tenants } as unknown as Capabilities, path, {
      signEvery: 1,
    })
    const caller = createConnection(path)
    caller.write('{"command":"tenants list","input":{}}\n')
    let said = ''
    caller.on('data', (words: Buffer) => {
      said += words.toString()
      slow.resolve([])
    })
    await new Promise((resolve) => caller.once('end', resolve))
    caller.end()
    expect(said).to.match(/^\n+\{"result":/)
    await server.close()

    const other = createServer((socket) => socket.end(said)).listen(path)
    try {
      const answer = await askServer(path, { command: 'tenants list', input: {} })
      expect(answer).to.deep.equal({ result: { tenants: [] } })
    } finally {
      other.close()
    }
  })

  it('reports an unknown outcome if the server ends before it responds', async () => {
    const path = join(folder, 'control.sock')
    const callers: Socket[] = []
    const server = createServer((socket) => {
      callers.push(socket)
      socket.on('data', () => socket.destroy())
    }).listen(path)
    const failure = await failureOf(askServer(path, { command: 'apply', input: {} }))
    expect(failure.message).to.include('it is unknown whether')
    server.close()
  })
})
