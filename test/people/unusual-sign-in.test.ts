import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish } from '../support/fixtures.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { accountOf, somebody } from './account.story.ts'
import { marksIn, signInAgain, traveller } from './unusual.story.ts'

const day = 24 * 3600

describe('people: a sign-in from elsewhere is marked in the history (ASVS 6.3.5)', () => {
  const server = booted(anyStorage, { TRUST_PROXY: '127.0.0.1/32' }, furnish)
  afterEach(() => backToPresent())

  const placesOf = async (accountId: string) =>
    (await server.core.places.list('default', accountId)).map(({ place, visits }) => [
      place,
      visits,
    ])

  it('by device and by network (IPv4 /24, IPv6 /48); the first sign-in has no network to compare with', async () => {
    const person = await somebody(server)
    const agent = traveller('198.51.100.7')
    const at = [
      ['198.51.100.99', []],
      ['203.0.113.5', ['New network']],
      ['2001:db8:1:2::3', ['New network']],
      ['2001:db8:1:ffff::4', []],
      ['198.51.100.7', []],
    ] as const
    await signInAgain(server, person, agent)
    for (const [address] of at) {
      travel(1)
      agent.moveTo(address)
      await signInAgain(server, person, agent)
    }
    const expected = [['New device'], ...at.map(([, marks]) => marks)].toReversed()
    expect(await marksIn(server, agent)).to.deep.equal(expected)
    travel(1)
    const other = traveller('192.0.2.1', 'safari')
    await signInAgain(server, person, other)
    expect((await marksIn(server, other))[0]).to.deep.equal(['New device', 'New network'])
    const { id } = await accountOf(server, person)
    expect(await placesOf(id), 'networks, not addresses').to.have.deep.members([
      ['198.51.100.0/24', 3],
      ['203.0.113.0/24', 1],
      ['2001:db8:1::/48', 2],
      ['192.0.2.0/24', 1],
    ])
  })

  it('by device once more after signing out everywhere, since a stranger may have used the device', async () => {
    const person = await somebody(server)
    const agent = traveller('198.51.100.7')
    await signInAgain(server, person, agent)
    travel(1)
    await signInAgain(server, person, agent)
    travel(1)
    await server.core.revocations.logOutEverywhere(await accountOf(server, person))
    travel(1)
    await signInAgain(server, person, agent)
    travel(1)
    await signInAgain(server, person, agent)
    expect(await marksIn(server, agent)).to.deep.equal([[], ['New device'], [], ['New device']])
  })

  it('by the address that a trusted proxy reports, never by one that the caller made up (C29)', async () => {
    const person = await somebody(server)
    const agent = traveller('203.0.113.1, 198.51.100.7')
    await signInAgain(server, person, agent)
    agent.moveTo('203.0.113.77, 198.51.100.8')
    await signInAgain(server, person, agent)
    expect((await marksIn(server, agent))[0]).to.deep.equal([])
    const { id } = await accountOf(server, person)
    expect(await placesOf(id)).to.deep.equal([['198.51.100.0/24', 2]])
  })

  it('once for two at the same moment from a new network; the networks of an account are bounded (C25)', async () => {
    const { id } = await accountOf(server, await somebody(server))
    const { database, places } = server.core
    const visit = (ip: string) => database.transaction(() => places.visit('default', id, ip))
    await visit('198.51.100.1')
    travel(1)
    const two = await Promise.all([visit('203.0.113.1'), visit('203.0.113.2')])
    expect(two.filter(({ isNewNetwork }) => isNewNetwork)).to.have.length(1)
    for (let i = 0; i < 60; i++) {
      travel(1)
      await visit(`10.0.${i}.1`)
    }
    const known = await placesOf(id)
    expect(known).to.have.length(50)
    expect(known.flat()).to.include('10.0.59.0/24').and.not.include('198.51.100.0/24')
  })

  it('by networks that are forgotten after 400 days without use, and with the account', async () => {
    const person = await somebody(server)
    const account = await accountOf(server, person)
    const { places, revocations } = server.core
    await places.visit('default', account.id, '198.51.100.1')
    travel(300 * day)
    await places.visit('default', account.id, '203.0.113.1')
    travel(101 * day)
    await places.sweep()
    expect(await placesOf(account.id)).to.deep.equal([['203.0.113.0/24', 1]])
    expect(await revocations.deleteAccount(account, { by: 'owner' })).to.equal(true)
    expect(await placesOf(account.id)).to.deep.equal([])
    expect(
      await places.visit('default', account.id, '192.0.2.1'),
      'a sign-in in progress',
    ).to.deep.equal({ isNewNetwork: false, isNewCountry: false })
    expect(await placesOf(account.id)).to.deep.equal([])
  })
})
