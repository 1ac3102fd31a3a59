import { expect } from 'chai'
import type { Guesser } from '../../src/lockouts/lockout.ts'
import { derivedId } from '../../src/secrets/handle.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { itOnAny } from '../support/any-storage.ts'
import { onEachStorage } from '../support/boot.ts'
import { errorOf, openedNodes, raceOver } from '../support/cores.ts'
import { someAccount } from '../support/people.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { countingTrips } from '../support/trips.ts'

const wrong = async () => false
const right = async () => true

onEachStorage('lockouts (C9, C20, C26)', (kind) => {
  const test = itOnAny(kind)
  const nodes = openedNodes(kind)
  afterEach(backToPresent)

  const someone = async (): Promise<{ accountId: string }> => ({
    accountId: await someAccount(nodes.a),
  })
  const guess = (guesser: Guesser, look: (may: boolean) => Promise<boolean> = wrong) =>
    nodes.a.lockouts.guess(tenant, guesser, look)
  async function guesses(count: number, guesser: Guesser): Promise<string[]> {
    const outcomes: string[] = []
    for (let i = 0; i < count; i++) outcomes.push(await guess(guesser))
    return outcomes
  }
  const countEvaluated = (outcomes: string[]) =>
    outcomes.filter((outcome) => outcome !== 'locked').length
  const stateOf = async ({ accountId }: { accountId: string }) =>
    (await nodes.b.lockouts.list(tenant, [accountId]))[0]

  for (const [what, owner] of [
    ['an account', someone],
    ['an unknown name', async () => ({ identifier: 'nobody at all' })],
  ] as const) {
    it(`of ${what}: a hundred parallel guesses on two nodes count as five`, async () => {
      const guesser = { owner: await owner() }
      const tally = await raceOver(nodes, 100, (node) =>
        node.lockouts.guess(tenant, guesser, wrong),
      )
      expect(tally).to.deep.equal({ wrong: 5, locked: 95 })
    })
  }

  it('run the check all the same when locked, and ignore its result', async () => {
    const owner = await someone()
    await guesses(5, { owner })
    const asked: boolean[] = []
    const outcome = await guess({ owner }, async (may) => {
      asked.push(may)
      return true
    })
    expect([outcome, asked]).to.deep.equal(['locked', [false]])
  })

  it('pause for 30 s after five guesses, twice as long after each further one, an hour at most', async () => {
    travel(0)
    const owner = await someone()
    expect(countEvaluated(await guesses(7, { owner }))).to.equal(5)
    for (const pause of [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]) {
      travel(pause - 1)
      expect(await guess({ owner }), `${pause - 1} s`).to.equal('locked')
      travel(1)
      expect(countEvaluated(await guesses(3, { owner })), `${pause} s`).to.equal(1)
    }
  })

  it('allow strangers eighty guesses in a row and then none, however long they wait (NIST SP 800-63B-4 §3.2.2)', async () => {
    travel(0)
    const owner = await someone()
    let evaluated = countEvaluated(await guesses(5, { owner }))
    for (let i = 0; i < 100; i++) {
      travel(3600)
      evaluated += countEvaluated(await guesses(1, { owner }))
    }
    expect(evaluated).to.equal(80)
    expect(await stateOf(owner)).to.deep.include({ failures: 80, blocked: true })
    travel(15 * 24 * 3600)
    await nodes.a.lockouts.sweep()
    expect(await guess({ owner }, right)).to.equal('locked')
  })

  test('allow a hundred in all, whatever browsers are known', async () => {
    travel(0)
    const owner = await someone()
    let evaluated = 0
    for (let round = 0; round < 90; round++) {
      travel(3600)
      // The known browsers guess in the early rounds and in the last one.
      const browsers = round < 15 || round === 89 ? ['one', 'two', 'three'] : []
      for (const deviceId of [...browsers, undefined]) {
        evaluated += countEvaluated([await guess({ owner, deviceId })])
      }
    }
    expect(evaluated).to.equal(100)
  })

  it('leave a known browser its guesses when strangers have none (OWASP device cookies)', async () => {
    const owner = await someone()
    await guesses(10, { owner })
    expect(await guess({ owner }, right)).to.equal('locked')
    expect(await guess({ owner, deviceId: 'hers' }, right)).to.equal('right')
    expect(countEvaluated(await guesses(9, { owner, deviceId: 'hers' }))).to.equal(5)
    expect(countEvaluated(await guesses(9, { owner, deviceId: 'his' }))).to.equal(5)
  })

  it('pause a known browser too, which cannot use the guesses of strangers meanwhile', async () => {
    const hers = { owner: await someone(), deviceId: 'hers' }
    expect(countEvaluated(await guesses(20, hers))).to.equal(5)
    const strangers = { owner: hers.owner }
    expect(countEvaluated(await guesses(9, strangers)), 'strangers still have theirs').to.equal(5)
  })

  it('start again after a complete sign-in, not after a right password', async () => {
    const owner = await someone()
    await guesses(4, { owner })
    for (let i = 0; i < 3; i++) expect(await guess({ owner }, right)).to.equal('right')
    expect(countEvaluated(await guesses(3, { owner })), 'the right one was given back').to.equal(1)

    await nodes.b.lockouts.signedIn(tenant, owner.accountId)
    expect(countEvaluated(await guesses(9, { owner }))).to.equal(5)
  })

  it('run the follow-up query of a right guess in the round trip that gives it back, and of no other guess', async () => {
    const { database, lockouts } = nodes.a
    const owner = await someone()
    await guesses(3, { owner })
    const answers: unknown[] = []
    const beside = async () => answers.push(await database.query('select 1 as one'))
    const ask =
      (guesser: Guesser, look = right) =>
      () =>
        lockouts.guess(tenant, guesser, look, beside)
    const { all } = await countingTrips(database, ask({ owner }))
    expect(all, 'round trips: the guess, then both').to.equal(2)
    await ask({ owner, deviceId: 'hers' })()
    expect(answers).to.deep.equal([[{ one: 1 }], [{ one: 1 }]])
    await ask({ owner }, wrong)()
    await guesses(5, { owner })
    await ask({ owner })()
    expect(answers, 'none when wrong or locked').to.have.length(2)
    await lockouts.signedIn(tenant, owner.accountId)
    expect(countEvaluated(await guesses(9, { owner }))).to.equal(5)
  })

  it('do not count a guess whose check failed', async () => {
    const owner = await someone()
    for (let i = 0; i < 9; i++) {
      const error = await errorOf(guess({ owner }, () => Promise.reject(new Error('storage'))))
      expect(error.message).to.equal('storage')
    }
    expect(countEvaluated(await guesses(9, { owner }))).to.equal(5)
  })

  it('refuse to count inside a transaction, whose rollback could undo it (C20)', async () => {
    const owner = await someone()
    const error = await errorOf(nodes.a.database.transaction(() => guess({ owner })))
    expect(error.message).to.match(/must not be counted in a transaction/)
  })

  it('are shown to operators, who can lift them with an event', async () => {
    travel(0)
    const owner = await someone()
    await guesses(8, { owner, ip: '203.0.113.7' })
    const state = await stateOf(owner)
    expect(state).to.deep.include({ failures: 5, refused: 3, blocked: false })
    expect(state?.lockedUntil).to.equal(nodes.a.clock.now() + 30_000)
    expect(await nodes.b.lockouts.lift(tenant, owner.accountId, 'operator')).to.equal(true)
    expect(await nodes.b.lockouts.lift(tenant, owner.accountId, 'operator')).to.equal(false)
    expect(await guess({ owner })).to.equal('wrong')
    const events = await nodes.a.database.query(
      'select type, ip, detail from audit_events where account_id = $1 and type like $2 order by at, type',
      [owner.accountId, 'account.%locked'],
    )
    expect(events).to.deep.equal([
      {
        type: 'account.locked',
        ip: '203.0.113.7',
        detail: {
          for: 'strangers',
          failures: 5,
          blocked: false,
          until: new Date(nodes.a.clock.now() + 30_000).toISOString(),
        },
      },
      { type: 'account.unlocked', ip: null, detail: { by: 'operator', failures: 5 } },
    ])
  })

  it('record an event for an unknown name too, once a day (ASVS 16.3.1)', async () => {
    const day = 24 * 3600
    // Unknown names share 64 subjects: on a day without others, this one has its subject to itself.
    travel(2 * day - ((Date.now() / 1000) % day))
    const owner = { identifier: 'nobody is called so' }
    await guesses(6, { owner, ip: '203.0.113.8' })
    travel(30)
    await guesses(1, { owner, ip: '203.0.113.9' })
    const events = await nodes.a.database.query(
      `select account_id, detail->'failures' as failures from audit_events
       where type = 'account.locked' and ip in ('203.0.113.8', '203.0.113.9')`,
    )
    expect(events).to.deep.equal([{ account_id: null, failures: 5 }])
  })

  it('count no right guess whose follow-up query fails', async () => {
    const owner = await someone()
    const { database, lockouts } = nodes.a
    const failing = () => database.query('select 1 / 0')
    for (let i = 0; i < 5; i++) {
      const error = await errorOf(lockouts.guess(tenant, { owner }, right, failing))
      expect(String(error)).to.contain('division by zero')
    }
    expect(await stateOf(owner)).to.deep.include({ failures: 0, refused: 0 })
    expect(await guess({ owner }, right)).to.equal('right')
  })

  it('are kept for accounts, and for unknown names until an hour after the last guess', async () => {
    travel(0)
    const owner = await someone()
    const strangers = async () => {
      const rows = await nodes.a.database.query<{ subject: string }>(
        'select subject from lockouts where account_id is null',
      )
      return rows.map(({ subject }) => subject)
    }
    const others = await strangers()
    await guesses(1, { owner: { identifier: 'nobody@example.com' } })
    const [theirs = '', ...more] = (await strangers()).filter((each) => !others.includes(each))
    expect([theirs.length > 0, more]).to.deep.equal([true, []])
    await guesses(1, { owner })
    travel(3599)
    await nodes.a.lockouts.sweep()
    expect(await strangers()).to.include(theirs)
    travel(2)
    await nodes.a.lockouts.sweep()
    expect(await strangers()).not.to.include(theirs)
    expect((await stateOf(owner))?.failures).to.equal(1)
  })

  it('map unknown names to at most 64 buckets, the same on all nodes, which cannot be computed from the name (ASVS 6.3.8)', () => {
    const names = Array.from({ length: 500 }, (_, i) => `nobody ${i}`)
    const parts = names.map(nodes.a.lockouts.nobodyOf)
    expect(names.map(nodes.b.lockouts.nobodyOf)).to.deep.equal(parts)
    expect(new Set(parts).size).to.be.within(32, 64)
    const computed = names.map((name) => `nobody ${derivedId(name)[0]}`)
    expect(computed.filter((part, i) => part === parts[i]).length).to.be.below(50)
  })

  it('recognise a browser by an authentic cookie, for one account, for a year', async () => {
    travel(0)
    const { devices } = nodes.a.lockouts
    const one = devices.add(undefined, tenant, 'alice')
    const both = devices.add(one, tenant, 'bob')
    expect(nodes.b.lockouts.devices.find(both, tenant, 'alice')).to.match(/^[\w-]{43}$/)
    expect(devices.find(both, tenant, 'bob')).to.not.equal(devices.find(both, tenant, 'alice'))
    expect(devices.find(one, tenant, 'bob')).to.equal(undefined)
    expect(devices.find(one, 'acme', 'alice')).to.equal(undefined)
    const parts = one.split('.')
    const [id = '', since = ''] = parts
    const stranger = 'A'.repeat(43)
    for (const forged of [
      parts.with(0, `${id.slice(1)}A`).join('.'),
      parts.with(1, `${Number(since) + 1}`).join('.'),
      parts.with(2, stranger).join('.'),
      parts.with(3, stranger).join('.'),
      one.slice(1),
      '~',
      '',
    ]) {
      expect(devices.find(forged, tenant, 'alice'), forged).to.equal(undefined)
    }
    expect(devices.add(one, tenant, 'alice').split('~'), 'entries of one account').to.have.length(1)
    travel(366 * 24 * 3600)
    expect(devices.find(both, tenant, 'alice')).to.equal(undefined)
  })

  it('recognise a browser by a mailed link until it signs in, which a later link does not undo', () => {
    const { devices } = nodes.a.lockouts
    const mailed = devices.addMailed(undefined, tenant, 'alice')
    expect(devices.isOurs(mailed, tenant)).to.equal(true)
    expect(devices.findMailed(mailed, tenant, 'alice')).to.match(/^[\w-]{43}$/)
    expect(devices.findMailed(mailed, tenant, 'bob')).to.equal(undefined)
    expect(devices.find(mailed, tenant, 'alice')).to.equal(undefined)
    const signedIn = devices.add(mailed, tenant, 'alice')
    expect(signedIn.split('~'), 'replaces the mailed entry').to.have.length(1)
    const id = devices.find(signedIn, tenant, 'alice')
    expect(devices.findMailed(signedIn, tenant, 'alice')).to.equal(id)
    const again = devices.addMailed(devices.addMailed(signedIn, tenant, 'alice'), tenant, 'alice')
    expect(again.split('~'), 'adds one mailed entry').to.have.length(2)
    expect(devices.find(again, tenant, 'alice')).to.equal(id)
    expect(devices.findMailed(again, tenant, 'alice')).to.not.equal(id)
  })
})
