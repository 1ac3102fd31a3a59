import { expect } from 'chai'
import type { Attempt, Message } from '../../src/outbox/message.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { errorOf, openedNodes } from '../support/cores.ts'
import { eventually } from '../support/eventually.ts'
import { backToPresent, travel } from '../support/time-travel.ts'

onAnyStorage('the outbox', (kind) => {
  const nodes = openedNodes(kind)
  const arrived: Array<{ node: 'a' | 'b'; message: Message }> = []
  const settled: Array<[string, object]> = []
  let answer: (message: Message) => Promise<Attempt>
  let settle: (outcome: object) => Promise<unknown>

  before(async () => {
    for (const name of ['a', 'b'] as const) {
      for (const each of ['test', 'other']) {
        nodes[name].outbox.deliverWith(each, {
          deliver: (message) => {
            arrived.push({ node: name, message })
            return answer(message)
          },
          async settled({ id }, outcome) {
            await settle(outcome)
            settled.push([id, outcome])
          },
        })
      }
    }
  })
  beforeEach(async () => {
    arrived.length = 0
    settled.length = 0
    answer = async () => 'delivered'
    settle = async () => undefined
    await nodes.a.database.execute('delete from outbox')
    nodes.a.outbox.start()
    nodes.b.outbox.start()
  })
  afterEach(async () => {
    backToPresent()
    await Promise.all([nodes.a.outbox.stop(), nodes.b.outbox.stop()])
  })

  const add = (count: number, destination = 'one.example') =>
    nodes.a.outbox.add(
      defaultTenant,
      'test',
      Array.from({ length: count }, (_, n) => ({ destination, payload: { n } })),
    )
  /** Adds a message and waits until it has arrived, and with it all messages that were due before. */
  async function marker() {
    const [before, kept] = [settled.length, answer]
    answer = (message) =>
      message.destination === 'marker.example' ? Promise.resolve('delivered') : kept(message)
    await add(1, 'marker.example')
    await eventually('the marker is delivered', () => settled.length > before)
    answer = kept
    settled.pop()
    return arrived.filter(({ message }) => message.destination !== 'marker.example')
  }
  const list = () => nodes.b.outbox.list(defaultTenant, 'test', {})
  /** `settled` is set inside the transaction, whose commit other connections see a moment later. */
  const delivered = (count: number) =>
    eventually('the deliveries are recorded', async () => {
      const messages = await list()
      return messages.filter(({ state }) => state === 'delivered').length === count && messages
    })

  it('delivers committed messages promptly, and records the outcome in one transaction', async () => {
    await add(3)
    await eventually('all three messages are delivered', () => settled.length === 3)
    expect(arrived.map(({ message }) => message.payload['n'])).to.have.members([0, 1, 2])
    for (const { attempts } of await delivered(3)) expect(attempts).to.equal(1)
  })

  it('does not deliver messages that were rolled back', async () => {
    const work = nodes.a.database.transaction(async () => {
      await add(1)
      throw new Error('rolled back')
    })
    await errorOf(work)
    expect(await list()).to.deep.equal([])
    expect(await marker()).to.deep.equal([])
  })

  it('holds no transaction open during a request to a receiver', async () => {
    let busy: Array<{ state: string }> = []
    answer = async () => {
      expect(nodes.a.database.current()).to.equal(undefined)
      busy = await nodes.a.database.query(
        `select state from pg_stat_activity where datname = current_database() and state like 'idle in%'`,
      )
      return 'delivered'
    }
    // Added in a transaction, whose context deliveries must not inherit.
    await nodes.a.database.transaction(() => add(1))
    await eventually('the message is delivered', () => settled.length === 1)
    expect(busy).to.deep.equal([])
    await delivered(1)
  })

  it('delivers at most four messages at a time to one destination, and continues with others (R-21)', async () => {
    const held = Promise.withResolvers<Attempt>()
    answer = ({ destination }) =>
      destination === 'slow.example' ? held.promise : Promise.resolve('delivered')
    await add(50, 'slow.example')
    await eventually('the slow receiver is busy', () => arrived.length >= 4)
    await add(20, 'quick.example')
    await eventually('the quick receiver has all messages', () => settled.length === 20)
    const slow = () => arrived.filter(({ message }) => message.destination === 'slow.example')
    // Two nodes that claim messages at the same moment cannot see each other's first four.
    expect(slow().length).to.be.within(4, kind === 'embedded' ? 4 : 8)
    held.resolve('delivered')
    await eventually('all messages are delivered', () => settled.length === 70)
  })

  it('is not delayed by many destinations that do not respond (R-21)', async () => {
    const refuse = Promise.withResolvers<Attempt>()
    refuse.promise.catch(() => undefined)
    answer = ({ destination }) =>
      destination.startsWith('down') ? refuse.promise : Promise.resolve('delivered')
    for (let i = 0; i < 20; i++) await add(20, `down-${i}.example`)
    await eventually('every delivery slot is taken', () => arrived.length >= 32)
    refuse.reject(new Error('nobody there'))
    await add(1, 'up.example')
    await eventually('the reachable receiver has its message', () => settled.length === 1)
  })

  it('keeps capacity for each kind of message, whatever the receivers of another kind do', async () => {
    const held = Promise.withResolvers<Attempt>()
    answer = ({ destination }) =>
      destination === 'quick.example' ? Promise.resolve('delivered') : held.promise
    for (let i = 0; i < 20; i++) await add(20, `slow-${i}.example`)
    await eventually('every delivery slot is taken', () => arrived.length >= 32)
    await nodes.a.outbox.add(defaultTenant, 'other', [
      { destination: 'quick.example', payload: {} },
    ])
    const delivery = eventually(
      'the message of the other kind is delivered',
      () => settled.length === 1,
    )
    await delivery.finally(() => held.resolve('delivered'))
  })

  it('hands the message of a dead node to another when its lease expires', async () => {
    const never = Promise.withResolvers<Attempt>()
    answer = () => never.promise
    await add(1)
    await eventually('the message is claimed', () => arrived.length === 1)
    expect(await marker(), 'still leased').to.have.length(1)
    answer = async () => 'delivered'
    travel(16)
    await eventually('the message is claimed again', () => settled.length === 1)
    expect(arrived.at(-1)?.message.id).to.equal(arrived[0]?.message.id)
    // The first node was not dead after all; its outcome no longer counts.
    never.resolve({ final: true, reason: 'late' })
    expect(await marker()).to.have.length(2)
    const first = (await list()).find(({ id }) => id === arrived[0]?.message.id)
    expect(first).to.include({ state: 'delivered', attempts: 2 })
    expect(settled).to.have.length(1)
  })

  it('gives up at once after a final refusal, whatever characters its reason contains (R-21)', async () => {
    for (const said of ['half \ud800', 'nothing \0', `${'x'.repeat(499)}😀`]) {
      settled.length = 0
      answer = async () => ({ final: true, reason: said })
      settle = (outcome) => nodes.a.database.query('select $1::jsonb', [JSON.stringify(outcome)])
      await add(1)
      const message = await eventually('the outcome is recorded', async () => {
        const [newest] = await list()
        return settled.length === 1 && newest?.state !== 'waiting' && newest
      })
      expect(message).to.include({ state: 'failed', attempts: 1 })
      expect(message.lastError).to.equal(`${said.slice(0, -1).replace('\ud83d', '')}\ufffd`)
    }
  })

  it('retries with increasing delays and gives up, even if the outcome cannot be stored (R-21)', async () => {
    settle = () => nodes.a.database.query(`select '"\\u0000"'::jsonb`)
    // The clock is stopped, so that the second attempt is not due before the first has been checked.
    travel(0)
    await add(1)
    const message = async () => {
      const [only] = await list()
      return only?.lastError === undefined ? undefined : only
    }
    const first = await eventually('the error is recorded', message)
    expect(first).to.include({ state: 'waiting', attempts: 1 })
    expect(first.lastError).to.contain('could not be stored')
    expect(first.nextAt).to.be.above(first.createdAt)
    travel(25 * 3600)
    const last = await eventually('the message is given up', async () => {
      const now = await message()
      return now?.state === 'failed' && now
    })
    expect(last.attempts).to.be.above(1)
    expect(arrived).to.have.length(last.attempts)
  })

  it('leaves messages of unknown kinds, which another version wrote', async () => {
    await nodes.a.outbox.add(defaultTenant, 'unknown', [{ destination: 'x', payload: {} }])
    await add(1)
    await eventually('the message of the known kind is delivered', () => settled.length === 1)
    const [other] = await nodes.a.outbox.list(defaultTenant, 'unknown', {})
    expect(other).to.include({ state: 'waiting', attempts: 0 })
  })

  it('stops after the current deliveries', async () => {
    const held = Promise.withResolvers<Attempt>()
    answer = () => held.promise
    await add(1)
    await eventually('the delivery has begun', () => arrived.length === 1)
    let stopped = false
    const stopping = Promise.all([nodes.a.outbox.stop(), nodes.b.outbox.stop()]).then(() => {
      stopped = true
    })
    for (let i = 0; i < 20; i++) await list()
    expect(stopped).to.equal(false)
    held.resolve('delivered')
    await stopping
    expect((await list())[0]).to.include({ state: 'delivered' })
  })

  it('puts a password reset first if its network has not requested any in this tenant for ten minutes', async () => {
    const { database, outbox, passwordReset, tenants } = nodes.a
    await Promise.all([outbox.stop(), nodes.b.outbox.stop()])
    await tenants.declare({ id: 'acme', name: 'Acme' })
    travel(0)
    const laneIn = async (tenant: string, ip: string) => {
      await passwordReset.ask(tenant, 'nobody@example.com', { ip, language: 'en' })
      const rows = await database.query<{ destination: string }>(
        `delete from outbox where kind = 'password_reset' returning destination`,
      )
      return rows.map(({ destination }) => destination).join()
    }
    expect(await laneIn(defaultTenant, '203.0.113.1')).to.equal('password_reset first')
    expect(await laneIn(defaultTenant, '203.0.113.2')).to.equal('password_reset others')
    expect(await laneIn('acme', '203.0.113.3')).to.equal('password_reset first')
    travel(599)
    expect(await laneIn(defaultTenant, '203.0.113.4')).to.equal('password_reset others')
    travel(600)
    expect(await laneIn(defaultTenant, '203.0.113.5')).to.equal('password_reset first')
  })
})
