import fs from 'node:fs'
import { cp, mkdir, readdir, stat, utimes, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import pg from 'pg'
import { DomainError } from '../../src/errors.ts'
import { lockDataDir } from '../../src/storage/data-lock.ts'
import { type Embedded, openEmbedded } from '../../src/storage/embedded.ts'
import { type Child, startChild, temporaryFolder } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'

const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
const modules = {
  lock: new URL('../../src/storage/data-lock.ts', import.meta.url).href,
  embedded: new URL('../../src/storage/embedded.ts', import.meta.url).href,
  pg: import.meta.resolve('pg'),
}

/** Runs `program` in another process, which has the folder in `folder` and the product through `load`. */
function inAnotherProcess(folder: string, program: string): Promise<Child> {
  const head = `
    const modules = ${JSON.stringify(modules)}
    const load = (name) => import(modules[name])
    const folder = ${JSON.stringify(folder)}
    const alive = setInterval(() => {}, 1000)
    `
  return startChild(NODE, ['--input-type=module', '--eval', head + program], {
    env: { PATH: process.env['PATH'] },
  })
}

async function holderOf(folder: string): Promise<Child> {
  const child = await inAnotherProcess(
    folder,
    `const { lockDataDir } = await load('lock')
     await lockDataDir(folder)
     console.log('held')`,
  )
  await eventually('the other process holds the folder', () => child.stdout().includes('held'))
  return child
}

async function refusalOf(work: Promise<unknown>): Promise<DomainError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).to.be.instanceOf(DomainError)
  return error as DomainError
}

async function locksIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.startsWith('lock-'))
}

async function ask(engine: Embedded, sql: string): Promise<Record<string, unknown>[]> {
  const pool = new pg.Pool(engine.pgConfig)
  try {
    return (await pool.query<Record<string, unknown>>(sql)).rows
  } finally {
    await pool.end()
  }
}

describe('the lock of the data folder', () => {
  let folder: string

  beforeEach(async () => {
    folder = join(await temporaryFolder('lock'), 'data')
  })

  it('creates the folder with access for its owner only', async () => {
    const lock = await lockDataDir(folder)
    expect((await stat(folder)).mode & 0o777).to.equal(0o700)
    await lock.release()
  })

  it('names the setting and the cause when the folder cannot be created', async () => {
    const file = join(await temporaryFolder('data'), 'file')
    await writeFile(file, '')
    for (const [given, code] of [
      [file, 'EEXIST'],
      [join(file, 'data'), 'ENOTDIR'],
    ] as const) {
      const refusal = await lockDataDir(given).catch((error: unknown) => error)
      expect(refusal).to.be.instanceOf(DomainError)
      expect(refusal).to.include({
        code: 'config_invalid',
        message: `DATA_DIR: expected a folder that this user can create and write to, got ${given} (${code})`,
      })
    }
  })

  it('is refused a second time in the same process until it is released', async () => {
    const lock = await lockDataDir(folder)
    const refusal = await refusalOf(lockDataDir(folder))
    expect(refusal.code).to.equal('storage_locked')
    expect(refusal.message).to.contain(folder).and.to.contain('this process itself')
    await lock.release()
    await (await lockDataDir(folder)).release()
    expect(await readdir(folder)).to.deep.equal([])
  })

  it('is refused while another process holds it, naming that process and the remedy', async () => {
    const holder = await holderOf(folder)
    const refusal = await refusalOf(lockDataDir(folder))
    expect(refusal.code).to.equal('storage_locked')
    expect(refusal.message)
      .to.contain(folder)
      .and.to.contain(`process ${holder.pid}`)
      .and.to.contain('DATA_DIR')
    expect(await locksIn(folder)).to.have.length(1)
    await holder.stop('SIGKILL')
  })

  it('is taken over from a process that was killed', async () => {
    const holder = await holderOf(folder)
    await holder.stop('SIGKILL')
    expect(await locksIn(folder)).to.have.length(1)
    const lock = await lockDataDir(folder)
    expect(await locksIn(folder)).to.have.length(1)
    await lock.release()
  })

  it('is taken over when another process has the process id of its holder', async () => {
    const first = await lockDataDir(folder)
    const [name] = await locksIn(folder)
    await first.release()
    const [, , , scope] = (name ?? '').split('-')
    await writeFile(join(folder, `lock-${process.pid}-1-${scope}`), '"holding"')
    const lock = await lockDataDir(folder)
    expect(await locksIn(folder)).to.deep.equal([name])
    await lock.release()
  })

  it('is held by one of several processes that start together', async () => {
    const starters = await Promise.all(
      Array.from({ length: 4 }, () =>
        inAnotherProcess(
          folder,
          `const { lockDataDir } = await load('lock')
           await lockDataDir(folder).then(() => console.log('held'), (e) => console.log(e.code))`,
        ),
      ),
    )
    await eventually('each process prints its result', () =>
      starters.every((child) => child.stdout() !== ''),
    )
    const answers = starters.map((child) => child.stdout().trim()).toSorted()
    await Promise.all(starters.map((child) => child.stop('SIGKILL')))
    expect(answers).to.deep.equal(['held', 'storage_locked', 'storage_locked', 'storage_locked'])
  })

  describe('from another container or an earlier boot, whose process ids mean nothing', () => {
    const foreign = `lock-1-77-${'a'.repeat(12)}`

    beforeEach(async () => {
      await mkdir(folder)
      await writeFile(join(folder, foreign), '"holding"')
    })

    it('is taken over when its file is old', async () => {
      await utimes(join(folder, foreign), 1_000_000_000, 1_000_000_000)
      const lock = await lockDataDir(folder)
      expect(await locksIn(folder)).to.not.include(foreign)
      await lock.release()
    })

    it('is taken over when its file does not change for long enough', async () => {
      const lock = await lockDataDir(folder, { beat: 5, stale: 40 })
      expect(await locksIn(folder)).to.not.include(foreign)
      await lock.release()
    })

    it('is refused while its file is renewed', async () => {
      const beating = setInterval(() => {
        void writeFile(join(folder, foreign), '"holding"', { flag: 'r+' })
      }, 5)
      const refusal = await refusalOf(lockDataDir(folder, { beat: 5, stale: 10_000 }))
      clearInterval(beating)
      expect(refusal.code).to.equal('storage_locked')
      expect(await locksIn(folder)).to.deep.equal([foreign])
    })
  })
})

describe('embedded Postgres', () => {
  let template: string
  let folder: string
  const open = (): Promise<Embedded> => openEmbedded(folder)

  before(async function () {
    this.timeout(60_000)
    template = join(await temporaryFolder('template'), 'data')
    await mkdir(join(template, 'postgres.new-1', 'base'), { recursive: true })
    const engine = await openEmbedded(template)
    await engine.close()
  })

  const copyTemplate = async (): Promise<void> => {
    folder = join(await temporaryFolder('embedded'), 'data')
    await cp(template, folder, { recursive: true })
  }

  it('creates its cluster at the first start, and removes the remains of an interrupted one', async () => {
    expect(await readdir(template)).to.deep.equal(['postgres'])
  })

  it('keeps its data across restarts', async () => {
    await copyTemplate()
    const first = await open()
    await ask(first, `create table kept as select 'yes' as value`)
    await first.close()
    const second = await open()
    expect(await ask(second, 'select value from kept')).to.deep.equal([{ value: 'yes' }])
    await second.close()
  })

  it('keeps every acknowledged commit when the process is killed', async () => {
    await copyTemplate()
    const writer = await inAnotherProcess(
      folder,
      `const { openEmbedded } = await load('embedded')
       const { default: pg } = await load('pg')
       const pool = new pg.Pool((await openEmbedded(folder)).pgConfig)
       await pool.query('create table kept (n int primary key)')
       for (let n = 1; ; n++) {
         await pool.query('insert into kept values ($1)', [n])
         console.log(n)
       }`,
    )
    await eventually('rows are written', () => writer.stdout().split('\n').length > 50)
    await writer.stop('SIGKILL')
    const answered = Number(writer.stdout().trim().split('\n').at(-1))
    const engine = await open()
    const [row] = await ask(engine, 'select count(*)::int as rows, max(n) as last from kept')
    await engine.close()
    expect(row?.['rows']).to.be.at.least(answered)
    expect(row?.['rows']).to.equal(row?.['last'])
  })

  it('refuses to open the same folder twice, from this process and another', async () => {
    await copyTemplate()
    const engine = await open()
    expect((await refusalOf(open())).code).to.equal('storage_locked')
    const other = await inAnotherProcess(
      folder,
      `const { openEmbedded } = await load('embedded')
       await openEmbedded(folder).catch((error) => console.log(error.message))
       clearInterval(alive)`,
    )
    await other.exit
    expect(other.stdout()).to.contain(folder).and.to.contain(`process ${process.pid}`)
    expect(await ask(engine, 'select 1 as one')).to.deep.equal([{ one: 1 }])
    await engine.close()
    await engine.close()
    expect(await locksIn(folder)).to.deep.equal([])
  })

  it('leaves a folder with other contents untouched and releases it', async () => {
    const strange = join(await temporaryFolder('strange'), 'data')
    await mkdir(join(strange, 'postgres'), { recursive: true })
    await writeFile(join(strange, 'postgres', 'notes.txt'), 'mine')
    const refusal = await refusalOf(openEmbedded(strange))
    expect(refusal.code).to.equal('storage_unavailable')
    expect(refusal.message).to.contain(strange)
    expect(await readdir(strange)).to.deep.equal(['postgres'])
    expect(await readdir(join(strange, 'postgres'))).to.deep.equal(['notes.txt'])
  })

  describe('while it is open', () => {
    let engine: Embedded

    before(async () => {
      engine = await openEmbedded(template)
      await ask(engine, `create table kept as select 'yes' as value`)
    })

    after(() => engine.close())

    it('syncs every commit to disk before it acknowledges it', async () => {
      const real = fs.fsyncSync
      let synced = 0
      fs.fsyncSync = (descriptor) => {
        synced += 1
        real(descriptor)
      }
      syncBuiltinESMExports()
      await ask(engine, `insert into kept values ('also')`)
      fs.fsyncSync = real
      syncBuiltinESMExports()
      expect(synced).to.be.at.least(1)
      expect(await ask(engine, 'show fsync')).to.deep.equal([{ fsync: 'on' }])
    })

    it('runs its maintenance', async () => {
      for (const statement of engine.maintenance) await ask(engine, statement)
    })
  })
})
