import { expect } from 'chai'
import { accountsShow } from '../../src/cli/accounts-show.ts'
import { familiesShow } from '../../src/cli/families-show.ts'
import { onAnyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { alice, callback, furnish, spa, web } from '../support/fixtures.ts'
import {
  codeFor,
  type Fields,
  post,
  type StoryClient,
  type Tokens,
  tokensIn,
  verifier,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import type { UserAgent } from '../support/user-agent.ts'
import { accountOf, somebody } from './account.story.ts'
import { textOf } from './story.ts'
import { signInAgain, traveller } from './unusual.story.ts'

onAnyStorage('people: unusual refreshes are recorded, not refused', (kind) => {
  const server = booted(kind, { TRUST_PROXY: '127.0.0.1/32' }, furnish)
  /** The middle of a day, so that what is recorded once a day falls on the same day. */
  beforeEach(() => travel(129_600 - (Math.floor(Date.now() / 1000) % 86_400)))
  afterEach(() => backToPresent())

  const offline = { scope: 'openid offline_access' }
  const ask = async (client: StoryClient, at: string, fields: Fields) =>
    tokensIn(await post(server, '/token', client, fields, { 'x-forwarded-for': at }))
  const rotate = (client: StoryClient, { refresh_token }: Tokens, at: string) =>
    ask(client, at, { grant_type: 'refresh_token', refresh_token })
  const look = () => server.core.familyWatch.look()

  /** An account with a browser, and the first tokens of a client. */
  async function furnished(client: StoryClient, at: string) {
    const person = await somebody(server)
    const agent = traveller(at)
    await signInAgain(server, person, agent)
    const tokens = await ask(client, at, {
      ...{ grant_type: 'authorization_code', redirect_uri: callback, code_verifier: verifier },
      code: await codeFor(server, client, offline, agent),
    })
    const { id: accountId } = await accountOf(server, person)
    const [family] = await server.core.families.list('default', { accountId })
    const id = family?.id ?? ''
    const notes = async () =>
      (await server.core.audit.ofFamily('default', id))
        .filter(({ type }) => /rapidly|network/.test(type))
        .map(({ type, detail, ip }) => ({ type: type.replace('family.', ''), detail, ip }))
    return { agent, tokens, notes, id }
  }
  const eventsOn = async (agent: UserAgent, path: string) => {
    const page = await agent.get(`${server.issuer}${path}`)
    const found = page.root.querySelectorAll('main li[data-event^="family."]')
    return found.map((item) => item.textContent.replace(/\s+/g, ' ').trim())
  }

  it('from another network, and alternately from two: each once a day, shown to user and operator', async () => {
    const { agent, id, notes, ...story } = await furnished(spa, '198.51.100.7')
    let { tokens } = story
    for (const at of ['198.51.100.8', '203.0.113.7', '198.51.100.7', '203.0.113.9']) {
      travel(60)
      tokens = await rotate(spa, tokens, at)
    }
    await Promise.all([look(), look()])
    const expected = [
      {
        type: 'network_changed',
        ip: '203.0.113.7',
        detail: { from: '198.51.100.0/24', to: '203.0.113.0/24' },
      },
      {
        type: 'networks_alternated',
        ip: '198.51.100.7',
        detail: { networks: ['198.51.100.0/24', '203.0.113.0/24'] },
      },
    ]
    expect(await notes()).to.have.deep.members(expected)
    travel(120)
    await rotate(spa, tokens, '198.51.100.7')
    await look()
    expect(await notes(), 'nothing more on the same day').to.have.length(2)

    const history = await eventsOn(agent, '/account/history')
    expect(history.join(' '))
      .to.match(/Access used from another network · Example browser app .* from 203\.0\.113\.7/)
      .and.include('Access used from two networks in turn')
    const applications = await eventsOn(agent, '/account/applications')
    expect(applications).to.have.length(2)
    const german = await agent.get(`${server.issuer}/account/applications?ui_locales=de`)
    expect(textOf(german)).to.include('Zugriff abwechselnd aus zwei Netzen verwendet')
    const shown = await familiesShow.execute(server.core, { tenant: 'default', id })
    expect(familiesShow.render(shown)).to.match(
      /family\.network_changed +203\.0\.113\.7 .*"to":"203\.0\.113\.0\/24"/,
    )
    const account = await accountsShow.execute(server.core, {
      tenant: 'default',
      identifier: shown.family.account,
    })
    expect(account.places.map(({ place }) => place)).to.deep.equal(['198.51.100.0/24'])
    expect(account.families.map((family) => family.id)).to.deep.equal([id])
    const found = account.events.filter(({ family_id }) => family_id === id)
    expect(found.map(({ type }) => type)).to.include('family.networks_alternated')
    expect(accountsShow.render(account))
      .to.match(/since \S+Z from 198\.51\.100\.7 +used \S+Z from .* Firefox on Linux/)
      .and.match(/account\.signed_in .*"new_device":true/)
    travel(31 * 24 * 3600)
    const later = traveller('198.51.100.7')
    const person = { email: shown.family.account, password: alice.password }
    await signInAgain(server, person, later)
    expect(await eventsOn(later, '/account/applications')).to.deep.equal([])
  })

  it('when too many within a minute, for any client; the networks of a confidential client do not count', async () => {
    const { agent, notes, ...story } = await furnished(web, '198.51.100.7')
    let { tokens } = story
    for (let i = 0; i < 10; i++) tokens = await rotate(web, tokens, `203.0.113.${i}`)
    await look()
    expect(await notes(), 'at the limit').to.deep.equal([])
    for (let i = 0; i < 3; i++) tokens = await rotate(web, tokens, `192.0.${i}.1`)
    await look()
    expect(await notes()).to.have.length(1)
    expect((await notes())[0]).to.deep.include({ type: 'refreshed_rapidly' })
    expect(await eventsOn(agent, '/account/applications')).to.have.length(1)
    travel(24 * 3600)
    for (let i = 0; i < 11; i++) tokens = await rotate(web, tokens, '192.0.2.1')
    await look()
    expect(await notes(), 'the next day').to.have.length(2)
  })

  it('but not when a response is repeated, nor by an address that the caller made up', async () => {
    const { tokens, notes } = await furnished(spa, '198.51.100.7')
    for (let i = 0; i < 12; i++) {
      await rotate(spa, tokens, `203.0.113.${i}, 198.51.100.9`)
    }
    await look()
    expect(await notes()).to.deep.equal([])
  })
})
