import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { eventually } from './eventually.ts'
import { query } from './postgres.ts'
import { servicesFound } from './root-hooks.ts'
import { type Services, startServices } from './services.ts'

// Own services, because these tests stop and freeze them.
;(servicesFound() ? describe : describe.skip)('test support: real Postgres and Redis', () => {
  let services: Services

  before(async () => {
    const started = await startServices()
    if (started === undefined) throw new Error('the services were found but not started')
    services = started
  })

  after(async () => {
    await services.stop()
    expect(existsSync(`/proc/${services.postgres.pid}`)).to.equal(false)
    expect(existsSync(`/proc/${services.redis.pid}`)).to.equal(false)
  })

  it('waits for its commits, and listens on loopback alone', async () => {
    expect(await services.admin('SHOW synchronous_commit')).to.deep.equal([
      { synchronous_commit: 'on' },
    ])
    expect(await services.admin('SHOW listen_addresses')).to.deep.equal([
      { listen_addresses: '127.0.0.1' },
    ])
  })

  it('creates a database from a template and drops it under its connections', async () => {
    await services.createDatabase('original')
    await query(services.databaseUrl('original'), 'CREATE TABLE here (id int)')
    await services.createDatabase('copy "of" it', 'original')
    const url = services.databaseUrl(encodeURIComponent('copy "of" it'))
    expect(await query(url, 'SELECT count(*)::int AS rows FROM here')).to.deep.equal([{ rows: 0 }])
    const busy = query(url, 'SELECT pg_sleep(60)').catch((error: unknown) => String(error))
    await eventually('the backend sleeps', async () => {
      const sleepers = await services.admin(
        "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'",
      )
      return sleepers.length > 0
    })
    await services.dropDatabase('copy "of" it')
    expect(await busy).to.match(/terminat/)
    await services.dropDatabase('original')
    await services.dropDatabase('original')
  })

  it('keeps Postgres, its port and its data over a crash', async () => {
    const { pid } = services.postgres
    await services.admin('CREATE TABLE IF NOT EXISTS survivor (id int)')
    await services.postgres.stop('SIGKILL')
    await services.postgres.start()
    expect(services.postgres.pid).to.not.equal(pid)
    expect(await services.admin("SELECT to_regclass('survivor')::text AS name")).to.deep.equal([
      { name: 'survivor' },
    ])
  })

  it('freezes Postgres with all backends and thaws it', async () => {
    services.postgres.pause()
    expect(state(services.postgres.pid)).to.equal('T')
    const answer = services.admin('SELECT 1 AS one')
    services.postgres.resume()
    expect(await answer).to.deep.equal([{ one: 1 }])
    services.postgres.pause()
    await services.postgres.stop()
    await services.postgres.start()
  })

  it('freezes a backend that is only being started, too', async () => {
    const running: string[] = []
    for (let i = 0; i < 30; i++) {
      const answers = Promise.all([1, 2, 3].map(() => services.admin('SELECT 1')))
      await pause(i % 15)
      services.postgres.pause()
      const { pid } = services.postgres
      const backends = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
      for (const each of [pid, ...backends.map(Number)]) {
        if (!/[TZ]/.test(state(each) ?? '')) running.push(`${each} ${state(each)}`)
      }
      services.postgres.resume()
      await answers
    }
    expect(running).to.deep.equal([])
  })

  it('restarts Redis on its port, empty', async () => {
    const { pid } = services.redis
    await services.redis.flush()
    services.redis.pause()
    await services.redis.stop('SIGKILL')
    await services.redis.start()
    expect(services.redis.pid).to.not.equal(pid)
    expect(services.redisUrl(3)).to.equal(`redis://127.0.0.1:${services.redis.port}/3`)
  })
})

/** The letter of a process's state in procfs; `T` is stopped. */
function state(pid: number): string | undefined {
  return /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
}
