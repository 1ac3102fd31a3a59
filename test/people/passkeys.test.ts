import { generateKeyPairSync } from 'node:crypto'
import { expect } from 'chai'
import { multiFactor } from '../../src/oidc/authentication-context.ts'
import { anyStorage } from '../support/any-storage.ts'
import {
  backedUp,
  eligible,
  givePasskey,
  makePasskey,
  optionsOn,
  passkeyOwner,
  present,
  type SoftKey,
  showPasskey,
  verified,
} from '../support/authenticator.ts'
import { booted } from '../support/boot.ts'
import { furnish, web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { codeOf, factorOwner, somebody } from '../support/second-factor.ts'
import { remember } from '../support/witness.ts'
import { passkeyStory } from './passkey.story.ts'
import { arrive, expectFormAgain, textOf } from './story.ts'

const tenant = 'default'

describe('people: signing in with a passkey', () => {
  const server = booted(anyStorage, {}, furnish)

  const story = passkeyStory(() => server)
  const { sendAlone, answer, atFactor, expectSignedOut, expectRefused } = story

  const strangerKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey

  it('counts alone as two factors, and reports what was shown (RFC 8176, ASVS 6.3.3)', async () => {
    const { key } = await passkeyOwner(server.core)
    const visit = await arrive(server, web)
    const said = await story.claimsAfter(visit, await sendAlone(visit, answer(visit, key)))
    expect(said).to.deep.equal({ amr: ['pop', 'user', 'mfa'], acr: multiFactor })
  })

  it('is required after the password, with optional user verification', async () => {
    const owner = await passkeyOwner(server.core)
    const visit = await atFactor(owner)
    expect(visit.page.root.querySelector('#otp'), 'no app, so no field for its code').to.equal(null)
    const { allowCredentials, userVerification } = optionsOn(visit.page)
    expect(allowCredentials).to.deep.equal([
      { id: owner.key.id, transports: ['internal'], type: 'public-key' },
    ])
    expect(userVerification).to.equal('preferred')
    await expectSignedOut(visit.agent)
    const shown = answer(visit, owner.key, { flags: present, userHandle: null })
    const said = await story.claimsAfter(visit, await sendAlone(visit, shown))
    expect(said).to.deep.equal({ amr: ['pwd', 'pop', 'user', 'mfa'], acr: multiFactor })
  })

  it('can be replaced by a code, also in a browser without script', async () => {
    const owner = await factorOwner(server.core)
    await givePasskey(server.core, { id: owner.id, email: owner.username })
    const visit = await atFactor(owner)
    expect(textOf(visit.page)).to.match(/cannot use passkeys here/)
    const fields = { otp: codeOf(owner.secret) }
    const done = await visit.agent.submit(visit.page, { form: '#factor-form', fields })
    expect((await story.claimsAfter(visit, done)).amr).to.deep.equal(['pwd', 'otp', 'mfa'])
  })

  it('satisfies an essential acr, and a client that requires two factors', async () => {
    const { key } = await passkeyOwner(server.core)
    const essential = { essential: true, value: multiFactor }
    const claims = JSON.stringify({ id_token: { acr: essential } })
    await server.core.clients.declare(tenant, { ...web, require_mfa: true })
    const visit = await arrive(server, web, { claims })
    const said = await story.claimsAfter(visit, await sendAlone(visit, answer(visit, key)))
    await server.core.clients.declare(tenant, { ...web, require_mfa: false })
    expect(said.acr).to.equal(multiFactor)
  })

  it('can be set up on the way to a client that requires two factors, and is required right after', async () => {
    const { id, username, password } = await somebody(server.core)
    await server.core.clients.declare(tenant, { ...web, require_mfa: true })
    const { agent, page } = await arrive(server, web)
    const setUp = await agent.follow(await agent.submit(page, { fields: { username, password } }))
    const form = '#passkey-form'
    const send = (at: Page, credential: string) =>
      agent.submit(at, { form, fields: { credential } })
    const lie = makePasskey(optionsOn(setUp), story.originOf(), { flags: present }).credential
    const again = await send(setUp, lie)
    expect(again.root.querySelector('#factor-error')?.textContent).to.match(
      /No passkey was created/,
    )
    expect(await server.core.factors.list(tenant, id)).to.deep.equal([])
    const { key, credential } = makePasskey(optionsOn(again), story.originOf())
    const codes = await send(again, credential)
    remember(...codes.root.querySelectorAll('code').map(({ textContent }) => textContent))
    expect(codes.root.querySelectorAll('#recovery-codes li')).to.have.length(10)
    const asked = await agent.follow(await agent.submit(codes))
    await expectSignedOut(agent)
    const visit = { agent, page: asked }
    const said = await story.claimsAfter(visit, await sendAlone(visit, answer(visit, key)))
    await server.core.clients.declare(tenant, { ...web, require_mfa: false })
    expect(said).to.deep.equal({ amr: ['pwd', 'pop', 'user', 'mfa'], acr: multiFactor })
  })

  it('is offered in the same way with and without a passkey (C10, ASVS 6.3.8)', async () => {
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

  it('has challenges of 256 random bits, all different (ASVS 6.7.2)', async () => {
    const made = await Promise.all(
      Array.from({ length: 10_000 }, async () => {
        const options = await server.core.factors.passkeys.askAnybody(tenant, 'x')
        const { challenge } = options as { challenge: string }
        return Buffer.from(challenge, 'base64url').subarray(0, 32).toString('hex')
      }),
    )
    expect(new Set(made)).to.have.property('size', made.length)
  })

  describe('with a signature counter', () => {
    const signInAt = async (key: SoftKey, counter: number) => {
      const visit = await arrive(server, web)
      return sendAlone(visit, answer(visit, key, { counter }))
    }
    const refusals = (id: string) =>
      server.core.audit.ofAccount(tenant, id, { types: ['account.passkey_refused'], limit: 9 })

    it('is refused and audited when the counter did not increase, as the key may be a copy (ASVS 6.7.2)', async () => {
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

    it('is not audited for the counter of an invalid signature', async () => {
      const { id, key } = await passkeyOwner(server.core, { counter: 7 })
      const visit = await arrive(server, web)
      const shown = answer(visit, key, { counter: 1, privateKey: strangerKey })
      expectRefused(await sendAlone(visit, shown))
      expect(await refusals(id)).to.deep.equal([])
    })

    it('succeeds once when several sign-ins have the same count (C26)', async () => {
      const { id, key } = await passkeyOwner(server.core, { counter: 7 })
      const answers = await Promise.all([1, 2, 3, 4].map(() => signInAt(key, 8)))
      expect(answers.map(({ status }) => status)).to.have.members([303, 403, 403, 403])
      expect(await refusals(id)).to.have.length(3)
    })

    it('succeeds with a counter that stays at 0, as synchronised keys have', async () => {
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

  describe('during a lock-out', () => {
    const failuresOf = async (id: string) =>
      (await server.core.lockouts.list(tenant, [id]))[0]?.failures

    it('succeeds and ends the lock, and a failure is not counted as a guess (C9)', async () => {
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

  it('is required after a password reset too (ASVS 6.4.3)', async () => {
    const owner = await passkeyOwner(server.core)
    const account = await server.core.accounts.active(tenant, owner.id)
    if (!account) throw new Error('no such account')
    const password = await server.core.accounts.resetPassword(
      account,
      await server.core.accounts.readyOneTime(),
    )
    const { agent, page } = await arrive(server, web)
    const { username } = owner
    const choose = await agent.follow(await agent.submit(page, { fields: { username, password } }))
    const chosen = 'another password of my own'
    const fields = { new_password: chosen, confirm_password: chosen }
    const asked = await agent.follow(await agent.submit(choose, { fields }))
    expect(asked.root.querySelector('form')?.id).to.equal('passkey-form')
    await expectSignedOut(agent)
  })

  it("fails when the sessions were ended meanwhile, and replaces another account's password in the same sign-in (C6, C7)", async () => {
    const [owner, other] = [await passkeyOwner(server.core), await passkeyOwner(server.core)]
    const visit = await atFactor(owner)
    const account = await server.core.accounts.active(tenant, owner.id)
    if (!account) throw new Error('no such account')
    await server.core.revocations.logOutEverywhere(account)
    await visit.agent.follow(await sendAlone(visit, answer(visit, owner.key)))
    await expectSignedOut(visit.agent)

    const crossed = await atFactor(owner)
    const csrf = crossed.page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
    const at = (step: string) => `${crossed.page.url.href}/${step}`
    const login = await crossed.agent.post(at('passkey'), { csrf, credential: '{}' })
    const credential = showPasskey(other.key, optionsOn(login), story.originOf())
    const done = await crossed.agent.post(at('passkey'), { csrf, credential })
    expect(done.status).to.equal(303)
    const late = await crossed.agent.submit(crossed.page, {
      ...{ form: '#passkey-form', fields: { credential: answer(crossed, owner.key) } },
    })
    expect(late.status).to.equal(400)
  })
})
