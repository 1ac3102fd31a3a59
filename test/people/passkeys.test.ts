import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { multiFactor } from '../../src/oidc/authentication-context.ts'
import {
  backedUp,
  eligible,
  givePasskey,
  type Lies,
  optionsOn,
  passkeyOwner,
  present,
  type SoftKey,
  showPasskey,
  verified,
} from '../support/authenticator.ts'
import { boot, type TestServer } from '../support/boot.ts'
import { furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { redeem, tokensIn } from '../support/protocol.ts'
import { codeOf, factorOwner, somebody } from '../support/second-factor.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { arrive, expectFault, expectFormAgain, headingOf, textOf, type Visit } from './story.ts'

const tenant = 'default'
type Owner = Awaited<ReturnType<typeof passkeyOwner>>

describe('people: signing in with a passkey', () => {
  let server: TestServer
  let acme: TestServer
  /** Somebody whose passkey nothing changes. */
  let carol: Owner
  before(async () => {
    server = await boot('embedded')
    await furnish(server)
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    await furnish(server, 'acme')
    acme = { ...server, issuer: `${server.issuer}/t/acme` }
    carol = await passkeyOwner(server.core)
  })
  afterEach(backToPresent)
  after(() => server?.stop())

  const originOf = () => new URL(server.issuer).origin
  const sendAlone = ({ agent, page }: Visit, credential: string) =>
    agent.submit(page, { form: '#passkey-form', fields: { credential } })

  /** Signs what the page asks for. */
  const answer = ({ page }: Visit, key: SoftKey, lies?: Lies) =>
    showPasskey(key, optionsOn(page), originOf(), lies)

  async function atFactor(owner: Pick<Owner, 'username' | 'password'>): Promise<Visit> {
    const { agent, page } = await arrive(server, web)
    const { username, password } = owner
    const next = await agent.follow(await agent.submit(page, { fields: { username, password } }))
    expect(headingOf(next)).to.equal('Confirm that it is you')
    return { agent, page: next }
  }

  async function expectNobody(agent: UserAgent): Promise<void> {
    const { page } = await arrive(server, web, { prompt: 'none' }, agent)
    expect(page.location?.searchParams.get('error')).to.equal('login_required')
  }

  async function claimsAfter({ agent }: Visit, answered: Page) {
    expect(answered.status, textOf(answered)).to.equal(303)
    const consent = await agent.follow(answered)
    const done = consent.location ? consent : await agent.follow(await agent.submit(consent))
    const code = done.location?.searchParams.get('code') ?? ''
    const { amr, acr } = decodeJwt(tokensIn(await redeem(server, web, code)).access_token)
    return { amr, acr }
  }

  const expectRefused = (page: Page) => expectFormAgain(page, 403, 'login-form', /did not sign/)
  const expectFactorRefused = (page: Page) =>
    expectFormAgain(page, 403, 'passkey-form', /did not sign/)

  it('alone is two factors, and says what was shown (RFC 8176, ASVS 6.3.3)', async () => {
    const { key } = await passkeyOwner(server.core)
    const visit = await arrive(server, web)
    const said = await claimsAfter(visit, await sendAlone(visit, answer(visit, key)))
    expect(said).to.deep.equal({ amr: ['pop', 'user', 'mfa'], acr: multiFactor })
  })

  it('is asked for beside the password; there, nobody need be verified', async () => {
    const owner = await passkeyOwner(server.core)
    const visit = await atFactor(owner)
    expect(visit.page.root.querySelector('#otp'), 'no app, no field').to.equal(null)
    const { allowCredentials, userVerification } = optionsOn(visit.page)
    expect(allowCredentials).to.deep.equal([
      { id: owner.key.id, transports: ['internal'], type: 'public-key' },
    ])
    expect(userVerification).to.equal('preferred')
    await expectNobody(visit.agent)
    const shown = answer(visit, owner.key, { flags: present, userHandle: null })
    const said = await claimsAfter(visit, await sendAlone(visit, shown))
    expect(said).to.deep.equal({ amr: ['pwd', 'pop', 'user', 'mfa'], acr: multiFactor })
  })

  it('leaves codes as another way, also in a browser without script', async () => {
    const owner = await factorOwner(server.core)
    await givePasskey(server.core, { id: owner.id, email: owner.username })
    const visit = await atFactor(owner)
    expect(textOf(visit.page)).to.match(/cannot use passkeys here/)
    const fields = { otp: codeOf(owner.secret) }
    const done = await visit.agent.submit(visit.page, { form: '#factor-form', fields })
    expect((await claimsAfter(visit, done)).amr).to.deep.equal(['pwd', 'otp', 'mfa'])
  })

  it('is enough for a request that insists on two factors, and for a client that requires them', async () => {
    const { key } = await passkeyOwner(server.core)
    const essential = { essential: true, value: multiFactor }
    const claims = JSON.stringify({ id_token: { acr: essential } })
    await server.core.clients.declare(tenant, { ...web, require_mfa: true })
    const visit = await arrive(server, web, { claims })
    const said = await claimsAfter(visit, await sendAlone(visit, answer(visit, key)))
    await server.core.clients.declare(tenant, { ...web, require_mfa: false })
    expect(said.acr).to.equal(multiFactor)
  })

  it('is offered to everybody alike, whoever has one (C10, ASVS 6.3.8)', async () => {
    const normal = ({ body }: Page) =>
      body
        .replaceAll(/\/interaction\/[\w-]+/g, '')
        .replaceAll(/name="csrf" value="[\w-]+"/g, '')
        .replaceAll(/challenge&quot;:&quot;[\w-]{96}&quot;/g, '')
        .replaceAll(/[\w-]+@example.com/g, '')
    const [owner, other] = [await passkeyOwner(server.core), await somebody(server.core)]
    const pages = await Promise.all(
      [owner, other].map(({ username }) => arrive(server, web, { login_hint: username })),
    )
    expect(new Set(pages.map(({ page }) => normal(page)))).to.have.property('size', 1)
    const { allowCredentials, userVerification } = optionsOn(pages[0]?.page as Page)
    expect([allowCredentials, userVerification]).to.deep.equal([[], 'required'])
  })

  it('has challenges of 256 random bits, each another one (ASVS 6.7.2)', async () => {
    const made = await Promise.all(
      Array.from({ length: 10_000 }, async () => {
        const options = await server.core.factors.passkeys.askAnybody(tenant, 'x')
        const { challenge } = options as { challenge: string }
        return Buffer.from(challenge, 'base64url').subarray(0, 32).toString('hex')
      }),
    )
    expect(new Set(made)).to.have.property('size', made.length)
  })

  const strangerKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

  /** What does not sign in, alone or beside a password. */
  const lies: Array<[string, Lies | (() => Lies)]> = [
    ['another origin', { origin: 'https://evil.example' }],
    ['another scheme', () => ({ origin: originOf().replace('http:', 'https:') })],
    ['another port', { origin: 'http://localhost:1' }],
    ['the address of a tenant as origin', () => ({ origin: acme.issuer })],
    ['another relying party', { rpId: 'evil.example' }],
    ['a frame of another site', { crossOrigin: true }],
    ['a frame, in other words', { crossOrigin: 'true' }],
    ['a page around it', { crossOrigin: false, topOrigin: 'https://evil.example' }],
    ['what a new key is made with', { type: 'webauthn.create' }],
    ['nobody present', { flags: verified }],
    ['a backup that there cannot be', { flags: present | verified | backedUp }],
    ['another kind of key than before', { flags: present | verified | eligible }],
    ['a signature of another key', { privateKey: strangerKey }],
    ['an unknown key', { id: 'AAAA' }],
    ['a user of another name', { userHandle: randomBytes(32).toString('base64url') }],
    ['a challenge of its own', { challenge: randomBytes(72).toString('base64url') }],
    ['no challenge', { challenge: '' }],
  ]

  describe('alone is refused, in the same words (ASVS 6.7.2, 6.3.8)', () => {
    const alone: typeof lies = [
      ...lies,
      ['nobody verified', { flags: present }],
      ['no user', { userHandle: null }],
    ]
    for (const [what, told] of alone) {
      it(what, async () => {
        const visit = await arrive(server, web)
        const shown = answer(visit, carol.key, typeof told === 'function' ? told() : told)
        expectRefused(await sendAlone(visit, shown))
        await expectNobody(visit.agent)
      })
    }

    it('what is no credential', async () => {
      const visit = await arrive(server, web)
      for (const credential of [
        'null',
        '[]',
        '{}',
        '{',
        `{"id":"${'a'.repeat(9000)}"}`,
        '\u0000',
      ]) {
        expectRefused(await sendAlone(visit, credential))
      }
      const nothing = await sendAlone(visit, '')
      expectFormAgain(nothing, 400, 'login-form', /did not sign/)
    })

    it('a key of another tenant, which shares the origin (C31)', async () => {
      const { account } = await server.core.accounts.create('acme', { email: 'p@example.com' })
      const theirs = await givePasskey(server.core, account, { tenant: 'acme' })
      const ours = (await passkeyOwner(server.core)).key
      const here = await arrive(server, web)
      expectRefused(await sendAlone(here, answer(here, theirs)))
      const there = await arrive(acme, web)
      expectRefused(await sendAlone(there, answer(there, ours)))
      const again = await arrive(acme, web)
      const done = await sendAlone(again, answer(again, theirs))
      expect(done.status, 'where it belongs').to.equal(303)
      const [fresh, crossed] = [await arrive(acme, web), await arrive(server, web)]
      const shown = showPasskey(ours, optionsOn(fresh.page), originOf())
      expectRefused(await sendAlone(crossed, shown))
    })

    it('a key that was removed, and one of an account that is disabled (ASVS 6.5.6, 7.4.2)', async () => {
      const [removed, disabled] = [await passkeyOwner(server.core), await passkeyOwner(server.core)]
      await server.core.factors.removeAll(tenant, removed.id, { by: 'operator' })
      const account = await server.core.accounts.active(tenant, disabled.id)
      if (!account) throw new Error('no such account')
      await server.core.revocations.setAccountDisabled(account, true)
      for (const { key } of [removed, disabled]) {
        const visit = await arrive(server, web)
        expectRefused(await sendAlone(visit, answer(visit, key)))
        await expectNobody(visit.agent)
      }
    })

    it('after ten tries in one sign-in', async () => {
      const { key } = await passkeyOwner(server.core)
      const visit = await arrive(server, web)
      for (let i = 0; i < 10; i++) expectRefused(await sendAlone(visit, '{}'))
      const over = await sendAlone(visit, answer(visit, key))
      expectFormAgain(over, 429, 'login-form', /did not sign/)
    })
  })

  describe('beside a password is refused, in the same words', () => {
    const beside = ['another origin', 'a frame of another site', 'nobody present', 'an unknown key']
    const named = [...beside, 'a signature of another key', 'a user of another name']
    for (const [what, told] of lies.filter(([name]) => named.includes(name))) {
      it(what, async () => {
        const visit = await atFactor(carol)
        const shown = answer(visit, carol.key, typeof told === 'function' ? told() : told)
        expectFactorRefused(await sendAlone(visit, shown))
        await expectNobody(visit.agent)
      })
    }

    it('the key of another account, whatever user it names (C22)', async () => {
      const [owner, thief] = [await passkeyOwner(server.core), await passkeyOwner(server.core)]
      for (const userHandle of [thief.key.userHandle, owner.key.userHandle, null]) {
        const visit = await atFactor(owner)
        const shown = answer(visit, thief.key, { userHandle })
        expectFactorRefused(await sendAlone(visit, shown))
      }
    })

    it('after five tries: then the password is asked for again (C20, ASVS 6.6.3)', async () => {
      const owner = await passkeyOwner(server.core)
      const visit = await atFactor(owner)
      for (let i = 0; i < 5; i++) expectFactorRefused(await sendAlone(visit, '{}'))
      const over = await sendAlone(visit, answer(visit, owner.key))
      expectFormAgain(over, 429, 'login-form', /Sign in again/)
    })
  })

  describe('a challenge', () => {
    it('is of use once, whatever came of it (ASVS 6.7.2, C3)', async () => {
      const { key } = await passkeyOwner(server.core)
      const visit = await arrive(server, web)
      expectRefused(await sendAlone(visit, answer(visit, key, { flags: present })))
      expectRefused(await sendAlone(visit, answer(visit, key)))
      const { page } = await arrive(server, web, {}, visit.agent)
      expect(
        (await sendAlone({ ...visit, page }, answer({ ...visit, page }, key))).status,
      ).to.equal(303)
    })

    it('lets one of many in that show the same answer at once (C26)', async () => {
      const { key } = await passkeyOwner(server.core)
      const visit = await arrive(server, web)
      const shown = answer(visit, key)
      const answers = await Promise.all(Array.from({ length: 5 }, () => sendAlone(visit, shown)))
      const statuses = answers.map(({ status }) => status)
      expect(statuses.filter((status) => status === 303)).to.have.length(1)
      expectRefused(await sendAlone(visit, shown))
    })

    it('is of one sign-in, in one browser (C6)', async () => {
      const { key } = await passkeyOwner(server.core)
      const [visit, other] = [await arrive(server, web), await arrive(server, web)]
      expectRefused(await sendAlone(other, answer(visit, key)))
      const second = await arrive(server, web, {}, visit.agent)
      expectRefused(await sendAlone(second, answer(visit, key)))
      const thief = createUserAgent()
      const stolen = await thief.post(`${visit.page.url.href}/passkey`, {
        ...{ csrf: '', credential: answer(visit, key) },
      })
      expectFault(stolen, 400, /has expired/)
    })

    it('is for one purpose: none of a sign-in beside a password, and none of a new key (C3)', async () => {
      const owner = await passkeyOwner(server.core)
      const visit = await atFactor(owner)
      const uid = visit.page.url.pathname.split('/').at(-1)
      const beside = answer(visit, owner.key)
      const csrf = visit.page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
      const at = (step: string) => `${server.issuer}/interaction/${uid}/${step}`
      expectRefused(await visit.agent.post(at('passkey'), { csrf, credential: beside }))
      const alone = await visit.agent.post(at('passkey'), { csrf, credential: '{}' })
      const shown = showPasskey(owner.key, optionsOn(alone), originOf())
      expectFactorRefused(await visit.agent.post(at('factor'), { csrf, credential: shown }))
      const account = { id: owner.id, email: owner.username }
      const options = await server.core.factors.passkeyOptions(tenant, account, uid ?? '')
      const enrolment = { challenge: options.challenge, rpId: 'localhost' }
      const credential = showPasskey(owner.key, enrolment, originOf())
      expectRefused(await visit.agent.post(at('passkey'), { csrf, credential }))
    })

    it('waits for ten minutes', async () => {
      const { key } = await passkeyOwner(server.core)
      const visit = await arrive(server, web)
      const shown = answer(visit, key)
      travel(601)
      expectRefused(await sendAlone(visit, shown))
    })
  })

  describe('a device that counts', () => {
    const signInAt = async (key: SoftKey, counter: number) => {
      const visit = await arrive(server, web)
      return sendAlone(visit, answer(visit, key, { counter }))
    }
    const refusals = (id: string) =>
      server.core.audit.ofAccount(tenant, id, { types: ['account.passkey_refused'], limit: 9 })

    it('must count on: else the key may be a copy, and that is written down (ASVS 6.7.2)', async () => {
      const { id, key } = await passkeyOwner(server.core, { counter: 7 })
      for (const counter of [7, 6, 0]) expectRefused(await signInAt(key, counter))
      const [last, ...others] = await refusals(id)
      expect(others).to.have.length(2)
      const [factor] = await server.core.factors.list(tenant, id)
      expect(last?.detail).to.deep.equal({
        ...{ factor: factor?.id, reason: 'counter', stored: 7, came: 0 },
      })
      expect((await signInAt(key, 2 ** 32 - 1)).status).to.equal(303)
      expectRefused(await signInAt(key, 8))
    })

    it('is not blamed for what it did not sign', async () => {
      const { id, key } = await passkeyOwner(server.core, { counter: 7 })
      const visit = await arrive(server, web)
      const shown = answer(visit, key, { counter: 1, privateKey: strangerKey })
      expectRefused(await sendAlone(visit, shown))
      expect(await refusals(id)).to.deep.equal([])
    })

    it('counts once: of two sign-ins at the same count one gets in (C26)', async () => {
      const { id, key } = await passkeyOwner(server.core, { counter: 7 })
      const answers = await Promise.all([1, 2, 3, 4].map(() => signInAt(key, 8)))
      expect(answers.map(({ status }) => status)).to.have.members([303, 403, 403, 403])
      expect(await refusals(id)).to.have.length(3)
    })

    it('may also never count, as those do that copy their keys', async () => {
      const { key } = await passkeyOwner(server.core, { flags: present | verified | eligible })
      for (const flags of [
        present | verified | eligible,
        present | verified | eligible | backedUp,
      ]) {
        const visit = await arrive(server, web)
        expect((await sendAlone(visit, answer(visit, key, { flags }))).status).to.equal(303)
      }
    })
  })

  describe('and guessing', () => {
    const failuresOf = async (id: string) =>
      (await server.core.lockouts.list(tenant)).find(({ accountId }) => accountId === id)?.failures

    it('works while the account is locked, ends the lock, and is no guess itself (C9)', async () => {
      const { id, key, username, password } = await passkeyOwner(server.core)
      for (let i = 0; i < 5; i++) {
        const guess = { owner: { accountId: id } }
        await server.core.lockouts.guess(tenant, guess, async () => false)
      }
      const visit = await arrive(server, web)
      const fields = { username, password }
      const locked = await visit.agent.submit(visit.page, { fields })
      expectFormAgain(locked, 403, 'login-form', /do not match/)
      const wrong = { ...visit, page: locked }
      const refused = await sendAlone(wrong, answer(wrong, key, { privateKey: strangerKey }))
      expectRefused(refused)
      expect(await failuresOf(id)).to.equal(5)
      const right = { ...visit, page: refused }
      expect((await sendAlone(right, answer(right, key))).status).to.equal(303)
      expect(await failuresOf(id)).to.equal(undefined)
    })
  })

  it('is asked for after a reset, too: a new password is no way round it (ASVS 6.4.3)', async () => {
    const owner = await passkeyOwner(server.core)
    const account = await server.core.accounts.active(tenant, owner.id)
    if (!account) throw new Error('no such account')
    const password = await server.core.accounts.resetPassword(account)
    const { agent, page } = await arrive(server, web)
    const { username } = owner
    const choose = await agent.follow(await agent.submit(page, { fields: { username, password } }))
    const chosen = 'another password of my own'
    const fields = { new_password: chosen, confirm_password: chosen }
    const asked = await agent.follow(await agent.submit(choose, { fields }))
    expect(asked.root.querySelector('form')?.id).to.equal('passkey-form')
    await expectNobody(agent)
  })

  it('ends with what ended the sessions of the account meanwhile, and forgets what was proven before (C6, C7)', async () => {
    const [owner, other] = [await passkeyOwner(server.core), await passkeyOwner(server.core)]
    const visit = await atFactor(owner)
    const account = await server.core.accounts.active(tenant, owner.id)
    if (!account) throw new Error('no such account')
    await server.core.revocations.logOutEverywhere(account)
    await visit.agent.follow(await sendAlone(visit, answer(visit, owner.key)))
    await expectNobody(visit.agent)

    const crossed = await atFactor(owner)
    const csrf = crossed.page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const at = (step: string) => `${crossed.page.url.href}/${step}`
    const login = await crossed.agent.post(at('passkey'), { csrf, credential: '{}' })
    const credential = showPasskey(other.key, optionsOn(login), originOf())
    const done = await crossed.agent.post(at('passkey'), { csrf, credential })
    expect(done.status).to.equal(303)
    const late = await crossed.agent.submit(crossed.page, {
      ...{ form: '#passkey-form', fields: { credential: answer(crossed, owner.key) } },
    })
    expect(late.status).to.equal(400)
  })
})
