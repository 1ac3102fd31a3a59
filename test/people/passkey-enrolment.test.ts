import { expect } from 'chai'
import { accountsRemoveFactors } from '../../src/cli/accounts-change.ts'
import { anyStorage } from '../support/any-storage.ts'
import {
  backedUp,
  cborBytes,
  cborInteger,
  cborList,
  cborMap,
  cborText,
  eligible,
  givePasskey,
  type Lies,
  makePasskey,
  optionsOn,
  passkeyOwner,
  present,
  showPasskey,
  verified,
} from '../support/authenticator.ts'
import { booted } from '../support/boot.ts'
import type { Page } from '../support/http-exchange.ts'
import { somebody } from '../support/second-factor.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'
import { expectFault, headingOf, textOf, type Visit } from './story.ts'

const tenant = 'default'
type Person = Awaited<ReturnType<typeof somebody>>
type Owner = Awaited<ReturnType<typeof passkeyOwner>>

describe('people: a new passkey', () => {
  const server = booted(anyStorage)
  afterEach(backToPresent)

  const originOf = () => new URL(server.issuer).origin
  const listOf = (id: string) => server.core.factors.list(tenant, id)

  /** The page of second factors, after a sign-in with all that the account has. */
  async function openList(person: Person | Owner, agent = createUserAgent()): Promise<Visit> {
    const page = await agent.follow(await agent.get(`${server.issuer}/account/factors`))
    const key = 'key' in person ? person.key : undefined
    const { username, password } = person
    const signedIn = key
      ? await agent.submit(page, {
          form: '#passkey-form',
          fields: { credential: showPasskey(key, optionsOn(page), originOf()) },
        })
      : await agent.submit(page, { fields: { username, password } })
    const list = await agent.follow(signedIn)
    expect(headingOf(list), textOf(list)).to.equal('Two-step sign-in')
    return { agent, page: list }
  }

  async function openNew(agent: UserAgent): Promise<Page> {
    const page = await agent.follow(await agent.get(`${server.issuer}/account/factors/passkey`))
    expect(headingOf(page), textOf(page)).to.equal('Add a passkey')
    return page
  }

  const send = (agent: UserAgent, page: Page, credential: string, fields = {}) =>
    agent.submit(page, { form: '#passkey-form', fields: { credential, ...fields } })

  function expectNone(page: Page): void {
    expect(page.status, textOf(page)).to.equal(400)
    expect(page.root.querySelector('#factor-error')?.textContent).to.match(/No passkey was created/)
  }

  it('is requested as a discoverable credential with user verification, under a user handle that reveals nothing (WebAuthn §14.6.1)', async () => {
    const person = await somebody(server.core)
    const { agent } = await openList(person)
    const options = optionsOn(await openNew(agent))
    expect(options.rp).to.deep.equal({ id: 'localhost', name: 'Keyturn' })
    expect(options['attestation']).to.equal('none')
    expect(options['excludeCredentials']).to.deep.equal([])
    expect(options['authenticatorSelection']).to.deep.include({
      ...{ residentKey: 'required', userVerification: 'required' },
    })
    const handle = Buffer.from(options.user?.id ?? '', 'base64url')
    expect(handle).to.have.length(32)
    expect(handle.toString('latin1')).not.to.include(person.id.slice(0, 8))
    expect(optionsOn(await openNew(agent)).user?.id, 'same handle').to.equal(options.user?.id)
  })

  it('leaves no user handle when the account was deleted while the page was open (C31)', async () => {
    const { accounts, database, factors, revocations } = server.core
    const { id, username: email } = await somebody(server.core)
    const account = await accounts.byIdentifier(tenant, email)
    if (!account) throw new Error('no such account')
    const ask = () => factors.passkeyOptions(tenant, { id, email }, 'a page')
    const named = () => database.query('select 1 from passkey_owners where account_id = $1', [id])
    await ask()
    expect(await named()).to.have.length(1)
    await revocations.deleteAccount(account, { by: 'owner' })
    expect((await ask()).user.id).to.have.length(43)
    expect(await named()).to.have.length(0)
  })

  it('is removed with the account, even as the only factor', async () => {
    const person = await somebody(server.core)
    const { agent } = await openList(person)
    const page = await openNew(agent)
    await send(agent, page, makePasskey(optionsOn(page), originOf()).credential)
    expect(await listOf(person.id)).to.have.length(1)
    const account = await server.core.accounts.byIdentifier(tenant, person.username)
    if (account) await server.core.revocations.deleteAccount(account, { by: 'owner' })
    expect(await listOf(person.id)).to.deep.equal([])
    const types = ['account.factor_removed'] as const
    expect(
      await server.core.audit.ofAccount(tenant, person.id, { types, limit: 9 }),
    ).to.have.length(1)
  })

  it('brings recovery codes if it is the first factor, is listed, and is required from then on', async () => {
    const person = await somebody(server.core)
    const { agent } = await openList(person)
    const page = await openNew(agent)
    const flags = present | verified | eligible | backedUp
    const { key, credential } = makePasskey(optionsOn(page), originOf(), { flags })
    const shown = await send(agent, page, credential, { name: ' My \n <phone> ' })
    expect(headingOf(shown)).to.equal('Your recovery codes')
    const codes = shown.root.querySelectorAll('#recovery-codes code')
    remember(...codes.map(({ textContent }) => textContent))
    expect(codes).to.have.length(10)
    const asked = await agent.follow(await agent.get(`${server.issuer}/account/factors`))
    expect(headingOf(asked), 'the session is older than the passkey').to.equal('Sign in')
    const { page: list } = await openList({ ...person, key })
    expect(textOf(list)).to.include('My <phone>').and.include('also on your other devices')
    expect(await server.core.factors.asked(tenant, person.id)).to.equal(true)
    const types = ['account.factor_added', 'account.recovery_codes_made'] as const
    const events = await server.core.audit.ofAccount(tenant, person.id, { types, limit: 9 })
    expect(events.map(({ type }) => type)).to.have.members(types)
    const added = events.find(({ type }) => type === 'account.factor_added')
    const [factor] = await listOf(person.id)
    expect(added?.detail).to.deep.equal({ by: 'owner', factor: factor?.id, kind: 'passkey' })
  })

  const certificate = cborBytes(Buffer.from('a certificate that names a list of revoked ones'))
  const certified = cborMap(
    ...[cborText('alg'), cborInteger(-7), cborText('sig'), cborBytes(Buffer.alloc(70))],
    ...[cborText('x5c'), cborList(certificate)],
  )
  const lies: Array<[string, Lies]> = [
    ['another origin', { origin: 'https://evil.example' }],
    ['another relying party', { rpId: 'evil.example' }],
    ['a frame of another site', { crossOrigin: true }],
    ['an embedding page', { topOrigin: 'https://evil.example' }],
    ['the response to a sign-in', { type: 'webauthn.get' }],
    ['user not verified', { flags: present }],
    ['user absent', { flags: verified }],
    ['an invented challenge', { challenge: 'A'.repeat(96) }],
    ['a credential id that is too long', { id: Buffer.alloc(1024).toString('base64url') }],
    ['attestation certificates (C11)', { attestation: { fmt: 'packed', attStmt: certified } }],
    ['TPM certificates (C11)', { attestation: { fmt: 'tpm', attStmt: certified } }],
    ['an unknown attestation format', { attestation: { fmt: 'x', attStmt: cborMap() } }],
    ['a statement in the format "none"', { attestation: { fmt: 'none', attStmt: certified } }],
  ]

  describe('is refused for (ASVS 6.7.2)', () => {
    let visit: Visit & { person: Person }
    before(async () => {
      const person = await somebody(server.core)
      visit = { ...(await openList(person)), person }
    })

    for (const [what, told] of lies) {
      it(what, async () => {
        const page = await openNew(visit.agent)
        const { credential } = makePasskey(optionsOn(page), originOf(), told)
        const again = await send(visit.agent, page, credential, { name: 'Mine' })
        expectNone(again)
        expect(again.root.querySelector('#name')?.getAttribute('value')).to.equal('Mine')
        expect(await listOf(visit.person.id)).to.deep.equal([])
      })
    }

    it('an invalid or empty credential', async () => {
      const page = await openNew(visit.agent)
      for (const credential of ['', 'null', '{}', '{"id":"AA","rawId":"AB"}']) {
        expectNone(await send(visit.agent, page, credential))
      }
    })

    it('a challenge of another session or of a sign-in, and one that was used (C3, C6)', async () => {
      const other = await openList(await somebody(server.core))
      const page = await openNew(visit.agent)
      const theirs = optionsOn(await openNew(other.agent))
      expectNone(await send(visit.agent, page, makePasskey(theirs, originOf()).credential))
      const signIn = await server.core.factors.passkeys.askAnybody(tenant, 'x')
      const { challenge } = signIn as { challenge: string }
      const crossed = makePasskey({ ...optionsOn(page), challenge }, originOf()).credential
      expectNone(await send(visit.agent, page, crossed))
      expectNone(
        await send(
          visit.agent,
          page,
          makePasskey(optionsOn(page), originOf(), { flags: present }).credential,
        ),
      )
      expectNone(await send(visit.agent, page, makePasskey(optionsOn(page), originOf()).credential))
      expect(await listOf(visit.person.id)).to.deep.equal([])
    })
  })

  it('is added once when the same response is sent many times at once (C26)', async () => {
    const person = await somebody(server.core)
    const { agent } = await openList(person)
    const page = await openNew(agent)
    const { credential } = makePasskey(optionsOn(page), originOf())
    const answers = await Promise.all([1, 2, 3, 4].map(() => send(agent, page, credential)))
    for (const { root } of answers) {
      remember(...root.querySelectorAll('#recovery-codes code').map((code) => code.textContent))
    }
    expect(answers.filter(({ status }) => status === 200)).to.have.length(1)
    expect(await listOf(person.id)).to.have.length(1)
  })

  it('is refused when its credential id belongs to another account (WebAuthn §7.1)', async () => {
    const [owner, thief] = [await passkeyOwner(server.core), await somebody(server.core)]
    const { agent } = await openList(thief)
    const page = await openNew(agent)
    const { credential } = makePasskey(optionsOn(page), originOf(), { id: owner.key.id })
    const refused = await send(agent, page, credential)
    expect(refused.status).to.equal(400)
    expect(refused.root.querySelector('#factor-error')?.textContent).to.match(/already/)
    expect(await listOf(thief.id)).to.deep.equal([])
    const { agent: own } = await openList(owner)
    const { excludeCredentials } = optionsOn(await openNew(own)) as {
      excludeCredentials?: Array<{ id: string }>
    }
    expect(excludeCredentials?.map(({ id }) => id)).to.deep.equal([owner.key.id])
  })

  it('is not offered beyond ten per account', async () => {
    const owner = await passkeyOwner(server.core)
    const account = { id: owner.id, email: owner.username }
    const visit = await openList(owner)
    const last = await openNew(visit.agent)
    for (let i = 1; i < 10; i++) await givePasskey(server.core, account)
    await send(visit.agent, last, makePasskey(optionsOn(last), originOf()).credential)
    expect(await listOf(owner.id)).to.have.length(10)
    const { page } = await openList(owner)
    expect(page.root.querySelector('#add-passkey')).to.equal(null)
    expect(textOf(page)).to.include('reached the limit')
    expect(page.root.querySelector('#add-factor'), 'an app').not.to.equal(null)
  })

  it('requires a sign-in of the last five minutes, with the existing factor (ASVS 7.5.1, C7)', async () => {
    const person = await somebody(server.core)
    const { agent } = await openList(person)
    const page = await openNew(agent)
    await givePasskey(server.core, { id: person.id, email: person.username })
    const older = await agent.follow(
      await send(agent, page, makePasskey(optionsOn(page), originOf()).credential),
    )
    expect(headingOf(older)).to.equal('Sign in')
    const owner = await passkeyOwner(server.core)
    const fresh = await openList(owner)
    const form = await openNew(fresh.agent)
    travel(301)
    const late = await fresh.agent.follow(
      await send(fresh.agent, form, makePasskey(optionsOn(form), originOf()).credential),
    )
    expect(headingOf(late)).to.equal('Sign in')
    for (const { id } of [person, owner]) expect(await listOf(id)).to.have.length(1)
  })

  it('needs scripts, and says so without them and offers the app (K-09)', async () => {
    const { agent } = await openList(await somebody(server.core))
    const { root } = await openNew(agent)
    expect(root.querySelector('#passkey-form')?.hasAttribute('hidden')).to.equal(false)
    expect(root.querySelector('#use-passkey')?.hasAttribute('hidden')).to.equal(true)
    const missing = root.querySelector('[data-passkey-missing]')
    expect(missing?.hasAttribute('hidden')).to.equal(false)
    expect(missing?.textContent).to.include('scripts enabled').and.include('authenticator app')
  })

  it('is not added by a form of another site (C23)', async () => {
    const owner = await passkeyOwner(server.core)
    const { agent } = await openList(owner)
    const url = `${server.issuer}/account/factors/passkey`
    expectFault(await agent.post(url, { csrf: 'x' }), 403, /could not confirm/)
    const page = await openNew(agent)
    const csrf = page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const headers = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }
    expectFault(await agent.post(url, { csrf }, { headers }), 403, /could not confirm/)
  })

  it('can be renamed and removed by its owner, and removed by an operator; recovery codes are deleted with the last factor', async () => {
    const owner = await passkeyOwner(server.core)
    const { agent, page } = await openList(owner)
    const [factor] = await listOf(owner.id)
    const form = `#rename-${factor?.id}`
    const renamed = await agent.follow(await agent.submit(page, { form, fields: { name: '' } }))
    expect(textOf(renamed)).to.include('Passkey')
    expect((await listOf(owner.id))[0]?.name).to.equal('Passkey')
    await agent.submit(renamed, { form: `#remove-${factor?.id}` })
    expect(await listOf(owner.id)).to.deep.equal([])
    expect(await server.core.factors.codesLeft(tenant, owner.id)).to.equal(0)

    const other = await passkeyOwner(server.core)
    const wanted = { tenant, identifier: other.username }
    const { removed } = await accountsRemoveFactors.execute(server.core, wanted)
    expect([removed, await listOf(other.id)]).to.deep.equal([1, []])
  })

  it('is in the download of its owner, and deleted with the account, as is the user handle', async () => {
    const owner = await passkeyOwner(server.core)
    const { agent } = await openList(owner)
    const page = await agent.get(`${server.issuer}/account/data`)
    const download = await agent.submit(page, { form: '#download-form' })
    const { second_factors } = JSON.parse(download.body) as { second_factors: object[] }
    expect(second_factors).to.have.length(1)
    expect(second_factors[0]).to.include({ kind: 'passkey', name: 'Laptop', backed_up: false })
    const fields = { address: owner.username }
    await agent.submit(page, { form: '#delete-form', fields })
    const left = await server.core.database.query(
      `select 1 from passkey_owners where account_id = $1
       union all select 1 from passkeys where account_id = $1`,
      [owner.id],
    )
    expect(left).to.deep.equal([])
  })
})
