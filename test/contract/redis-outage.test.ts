import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import { expect } from 'chai'
import { Redis } from 'ioredis'
import type { Core } from '../../src/core.ts'
import { textOf } from '../../src/metrics/text.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage } from '../support/boot.ts'
import { selfSigned } from '../support/certificates.ts'
import { openNode, refusalOf } from '../support/cores.ts'
import { documented } from '../support/documented.ts'
import { eventually } from '../support/eventually.ts'
import { watchHoldUps } from '../support/hold-ups.ts'
import { figure } from '../support/prometheus.ts'
import { services, servicesFound } from '../support/root-hooks.ts'
import type { Services } from '../support/services.ts'

const onServices = servicesFound() ? describe : describe.skip
onServices('Redis that fails', () => {
  let core: Core
  let env: Record<string, string>
  const redis = () => (services() as Services).redis
  const key = { tenant: 'default', model: 'Interaction', id: 'x' }

  before(async () => {
    env = { ...(await freshStorage('services')), METRICS_PORT: '9' }
    core = await openNode(env)
  })
  afterEach(async () => {
    redis().resume()
    await redis().start()
  })
  after(() => core?.close())

  /** Every operation fails quickly: a dead Redis must cost a 503 and never a hang. */
  async function refusesQuickly(): Promise<void> {
    const { shortLived } = core
    const lasted: number[] = []
    const heldUp = watchHoldUps()
    for (const verb of [
      () => shortLived.get(key),
      () => shortLived.put(key, 1, 60),
      () => shortLived.delete(key),
      () => shortLived.ping(),
    ]) {
      const began = performance.now()
      const refusal = await refusalOf(verb(), 'storage_unavailable')
      lasted.push(performance.now() - began)
      expect(refusal.status).to.equal(503)
    }
    // The quickest shows the timeout, as a loaded machine does not delay all four; none may take long even then.
    const longest = heldUp()
    expect(Math.min(...lasted), 'the quickest').to.be.below(300 + longest)
    expect(Math.max(...lasted), 'the slowest').to.be.below(900 + longest)
  }

  const recovers = () =>
    eventually('Redis is used again', async () => {
      await core.shortLived.put(key, 'again', 60)
      return (await core.shortLived.get(key)) === 'again'
    })

  it('refuses within 300 ms while it is frozen, and is used again afterwards', async () => {
    redis().pause()
    await refusesQuickly()
    redis().resume()
    await recovers()
  })

  it('refuses within 300 ms while it is stopped, and is used again afterwards', async () => {
    await redis().stop('SIGKILL')
    await refusesQuickly()
    await eventually('the error says why there is no connection', async () => {
      const { message } = await refusalOf(core.shortLived.ping(), 'storage_unavailable')
      return message.startsWith('Redis does not answer: connect ECONNREFUSED 127.0.0.1:')
    })
    await redis().start()
    await recovers()
  })

  it('is reported in the next scrape of the metrics, even without other commands', async () => {
    const isUp = async () =>
      figure(await textOf([(await core.readMetrics?.(false)) ?? []]), 'keyturn_redis_up')
    expect(await isUp()).to.equal(1)
    redis().pause()
    expect(await isUp()).to.equal(0)
    redis().resume()
    await eventually('Redis is up again', async () => (await isUp()) === 1)
  })

  it('counts as down in the metrics while it answers but cannot write', async () => {
    const isUp = async () =>
      figure(await textOf([(await core.readMetrics?.(false)) ?? []]), 'keyturn_redis_up')
    const operator = new Redis(env['REDIS_URL'] as string)
    await operator.config('SET', 'maxmemory', '1')
    try {
      expect(await isUp()).to.equal(0)
      const refusal = await refusalOf(core.shortLived.ping(), 'storage_unavailable')
      expect(refusal.message).to.match(/Redis refuses: OOM/)
    } finally {
      await operator.config('SET', 'maxmemory', '0')
      operator.disconnect()
    }
    expect(await isUp()).to.equal(1)
  })

  it('loses no single-use record, as those are in Postgres', async () => {
    const claim = { tenant: defaultTenant, kind: 'AuthorizationCode', key: 'spent' }
    expect(await core.singleUse.spend(claim, Date.now() + 60_000)).to.equal(true)
    await core.shortLived.put(key, 1, 60)
    await redis().flush()
    expect(await core.shortLived.get(key)).to.equal(undefined)
    expect(await core.singleUse.spend(claim, Date.now() + 60_000)).to.equal(false)
  })

  for (const [how, fail] of Object.entries({
    stopped: () => redis().stop('SIGKILL'),
    frozen: async () => redis().pause(),
  })) {
    it(`does not keep a process from starting while it is ${how}, and is used once it is back`, async () => {
      await fail()
      const late = await openNode(env)
      try {
        await refusalOf(late.shortLived.ping(), 'storage_unavailable')
        expect(await late.tenants.list()).to.have.length(1)
        redis().resume()
        await redis().start()
        await eventually('Redis is used', async () => (await late.shortLived.ping()) === undefined)
      } finally {
        await late.close()
      }
    })
  }

  it('stops the start with one clear error when waiting does not help: password, database, certificate', async () => {
    const url = new URL(env['REDIS_URL'] as string)
    const at = (href: string) => ({ ...env, REDIS_URL: href })
    const wrong = new URL(url)
    wrong.username = 'nobody'
    wrong.password = 'wrong'
    const { cert, key: itsKey } = await selfSigned('CN=localhost')
    const tls = createServer({ cert, key: itsKey }, (socket) => socket.end())
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve))
    try {
      for (const [href, why] of [
        [wrong.href, /WRONGPASS/],
        [`redis://${url.host}/9999`, /DB index is out of range/],
        [`rediss://127.0.0.1:${(tls.address() as AddressInfo).port}/0`, /self-signed certificate/],
      ] as const) {
        const refusal = await refusalOf(openNode(at(href)), 'config_invalid')
        expect(refusal.message)
          .to.match(/^REDIS_URL: Redis cannot be used: /)
          .and.match(why)
        expect(refusal.message).not.to.include('nobody')
      }
    } finally {
      tls.close()
    }
  })

  describe('with a restricted user', () => {
    const url = () => new URL(env['REDIS_URL'] as string)
    let operator: Redis
    /** The rules from docs/deployment.md. */
    const [, , , ...rules] = (documented('deployment.md', 'text')[0] ?? '').trim().split(' ')

    before(async () => {
      operator = new Redis(url().href)
    })
    afterEach(() => operator.call('ACL', 'DELUSER', 'keyturn'))
    after(() => operator?.disconnect())

    async function openAs(...more: string[]): Promise<Core> {
      await operator.call('ACL', 'SETUSER', 'keyturn', ...rules, '+select', ...more)
      const href = Object.assign(url(), { username: 'keyturn', password: 'password' }).href
      return openNode({ ...env, REDIS_URL: href })
    }

    it('works with the permissions from docs/deployment.md', async () => {
      const node = await openAs()
      const { shortLived, storage } = node
      try {
        await shortLived.put(key, 1, 60)
        expect(await shortLived.replace(key, 2, 60)).to.equal(true)
        expect(await shortLived.get(key)).to.equal(2)
        expect(await shortLived.take(key)).to.equal(2)
        await shortLived.delete(key)
        await shortLived.ping()
        const bucket = { most: 2, window: 60, cost: 1 }
        const place = { tenant: 'default', name: 'test', subject: 'x' }
        expect(await storage.sharedBuckets?.take(place, bucket)).to.equal(0)
        await storage.sharedBuckets?.giveBack(place, { ...bucket, cost: 2 })
      } finally {
        await node.close()
      }
    })

    it('stops the start when any one of the commands is not permitted', async () => {
      const commands = rules.filter((rule) => rule.startsWith('+'))
      expect(commands).to.have.length(6)
      for (const command of commands) {
        const refusal = await refusalOf(openAs(command.replace('+', '-')), 'config_invalid')
        expect(refusal.message)
          .to.match(/^REDIS_URL: Redis cannot be used: NOPERM /)
          .and.include(`'${command.slice(1)}'`)
      }
    })
  })
})
