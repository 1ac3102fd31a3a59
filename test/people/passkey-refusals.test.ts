import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { expect } from 'chai'
import { anyStorage } from '../support/any-storage.ts'
import {
  backedUp,
  eligible,
  givePasskey,
  type Lies,
  optionsOn,
  passkeyOwner,
  present,
  showPasskey,
  verified,
} from '../support/authenticator.ts'
import { booted, type TestServer } from '../support/boot.ts'
import { furnish, web } from '../support/fixtures.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { type Owner, passkeyStory } from './passkey.story.ts'
import { arrive, expectFault, expectFormAgain } from './story.ts'

const tenant = 'default'

describe('people: a passkey', () => {
  const server = booted(anyStorage, {}, furnish)
  let acme: TestServer
  /** An account whose passkey no test changes. */
  let carol: Owner
  before(async () => {
    await server.core.tenants.declare({ id: 'acme', name: 'Acme' })
    await furnish(server, 'acme')
    acme = { ...server, issuer: `${server.issuer}/t/acme` }
    carol = await passkeyOwner(server.core)
  })
  afterEach(backToPresent)

  const story = passkeyStory(() => server)
  const { originOf, sendAlone, answer, atFactor } = story
  const { expectSignedOut, expectRefused, expectFactorRefused } = story

  const strangerKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

  /** Responses that must be refused, alone or beside a password. */
  const lies: Array<[string, Lies | (() => Lies)]> = [
    ['another origin', { origin: 'https://evil.example' }],
    ['another scheme', () => ({ origin: originOf().replace('http:', 'https:') })],
    ['another port', { origin: 'http://localhost:1' }],
    ['the address of a tenant as origin', () => ({ origin: acme.issuer })],
    ['another relying party', { rpId: 'evil.example' }],
    ['a frame of another site', { crossOrigin: true }],
    ['a frame, with crossOrigin as a string', { crossOrigin: 'true' }],
    ['an embedding page', { crossOrigin: false, topOrigin: 'https://evil.example' }],
    ['the response to an enrolment', { type: 'webauthn.create' }],
    ['user absent', { flags: verified }],
    ['a backup of a key that cannot be backed up', { flags: present | verified | backedUp }],
    ['another backup eligibility than at enrolment', { flags: present | verified | eligible }],
    ['a signature of another key', { privateKey: strangerKey }],
    ['an unknown key', { id: 'AAAA' }],
    ['another user handle', { userHandle: randomBytes(32).toString('base64url') }],
    ['an invented challenge', { challenge: randomBytes(72).toString('base64url') }],
    ['no challenge', { challenge: '' }],
  ]

  describe('alone is refused, always in the same words, for (ASVS 6.7.2, 6.3.8)', () => {
    const alone: typeof lies = [
      ...lies,
      ['user not verified', { flags: present }],
      ['no user handle', { userHandle: null }],
    ]
    for (const [what, told] of alone) {
      it(what, async () => {
        const visit = await arrive(server, web)
        const shown = answer(visit, carol.key, typeof told === 'function' ? told() : told)
        expectRefused(await sendAlone(visit, shown))
        await expectSignedOut(visit.agent)
      })
    }

    it('an invalid credential', async () => {
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
      expectFormAgain(nothing, 400, 'login-form', /did not work/)
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
      expect(done.status, 'in its own tenant').to.equal(303)
      const [fresh, crossed] = [await arrive(acme, web), await arrive(server, web)]
      const shown = showPasskey(ours, optionsOn(fresh.page), originOf())
      expectRefused(await sendAlone(crossed, shown))
    })

    it('a removed key, and the key of a disabled account (ASVS 6.5.6, 7.4.2)', async () => {
      const [removed, disabled] = [await passkeyOwner(server.core), await passkeyOwner(server.core)]
      await server.core.factors.removeAll(tenant, removed.id, { by: 'operator' })
      const account = await server.core.accounts.active(tenant, disabled.id)
      if (!account) throw new Error('no such account')
      await server.core.revocations.setAccountDisabled(account, true)
      for (const { key } of [removed, disabled]) {
        const visit = await arrive(server, web)
        expectRefused(await sendAlone(visit, answer(visit, key)))
        await expectSignedOut(visit.agent)
      }
    })

    it('an eleventh attempt in one sign-in', async () => {
      const { key } = await passkeyOwner(server.core)
      const visit = await arrive(server, web)
      for (let i = 0; i < 10; i++) expectRefused(await sendAlone(visit, '{}'))
      const over = await sendAlone(visit, answer(visit, key))
      expectFormAgain(over, 429, 'login-form', /did not work/)
    })
  })

  describe('beside a password is refused, always in the same words, for', () => {
    const beside = ['another origin', 'a frame of another site', 'user absent', 'an unknown key']
    const named = [...beside, 'a signature of another key', 'another user handle']
    for (const [what, told] of lies.filter(([name]) => named.includes(name))) {
      it(what, async () => {
        const visit = await atFactor(carol)
        const shown = answer(visit, carol.key, typeof told === 'function' ? told() : told)
        expectFactorRefused(await sendAlone(visit, shown))
        await expectSignedOut(visit.agent)
      })
    }

    it('the key of another account, whatever its user handle (C22)', async () => {
      const [owner, thief] = [await passkeyOwner(server.core), await passkeyOwner(server.core)]
      for (const userHandle of [thief.key.userHandle, owner.key.userHandle, null]) {
        const visit = await atFactor(owner)
        const shown = answer(visit, thief.key, { userHandle })
        expectFactorRefused(await sendAlone(visit, shown))
      }
    })

    it('a sixth attempt, after which the password is required again (C20, ASVS 6.6.3)', async () => {
      const owner = await passkeyOwner(server.core)
      const visit = await atFactor(owner)
      for (let i = 0; i < 5; i++) expectFactorRefused(await sendAlone(visit, '{}'))
      const over = await sendAlone(visit, answer(visit, owner.key))
      expectFormAgain(over, 429, 'login-form', /Sign in again/)
    })
  })

  describe('a challenge', () => {
    it('is accepted once, even if the response was refused (ASVS 6.7.2, C3)', async () => {
      const { key } = await passkeyOwner(server.core)
      const visit = await arrive(server, web)
      expectRefused(await sendAlone(visit, answer(visit, key, { flags: present })))
      expectRefused(await sendAlone(visit, answer(visit, key)))
      const { page } = await arrive(server, web, {}, visit.agent)
      expect(
        (await sendAlone({ ...visit, page }, answer({ ...visit, page }, key))).status,
      ).to.equal(303)
    })

    it('signs in once when the same response is sent many times at once (C26)', async () => {
      const { key } = await passkeyOwner(server.core)
      const visit = await arrive(server, web)
      const shown = answer(visit, key)
      const answers = await Promise.all(Array.from({ length: 5 }, () => sendAlone(visit, shown)))
      const statuses = answers.map(({ status }) => status)
      expect(statuses.filter((status) => status === 303)).to.have.length(1)
      expectRefused(await sendAlone(visit, shown))
    })

    it('is bound to one sign-in in one browser (C6)', async () => {
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

    it('has one purpose: sign-in alone, sign-in beside a password, or enrolment (C3)', async () => {
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

    it('expires after ten minutes', async () => {
      const { key } = await passkeyOwner(server.core)
      const visit = await arrive(server, web)
      const shown = answer(visit, key)
      travel(601)
      expectRefused(await sendAlone(visit, shown))
    })
  })
})
