import { expect } from 'chai'
import { decodeJwt } from 'jose'
import type { Account } from '../../src/accounts/account.ts'
import { newTotpSecret } from '../../src/factors/totp.ts'
import { multiFactor } from '../../src/oidc/authentication-context.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { furnish, web } from '../support/fixtures.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import { expectReturned, redeem, tokensIn } from '../support/protocol.ts'
import { codeOf, factorOwner, type Owner, somebody } from '../support/second-factor.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import type { UserAgent } from '../support/user-agent.ts'
import { arrive, expectFault, expectFormAgain, headingOf, textOf, type Visit } from './story.ts'

const tenant = 'default'
const csrfOf = (page: Page) => page.root.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
const formOf = (page: Page) => page.root.querySelector('form')?.id

describe('people: signing in with a second factor', () => {
  const server = booted(anyStorage, {}, furnish)
  afterEach(backToPresent)

  const credentialsOf = ({ username, password }: { username: string; password: string }) => ({
    fields: { username, password },
  })

  /** A browser at the page that asks for the second factor. */
  async function atFactor(owner: Owner, ...story: unknown[]): Promise<Visit> {
    const [fields, agent] = story as [Record<string, string>?, UserAgent?]
    const visit = await arrive(server, web, fields, agent)
    const answer = await visit.agent.submit(visit.page, credentialsOf(owner))
    expect(answer.status, answer.body).to.equal(303)
    const page = await visit.agent.follow(answer)
    expect(formOf(page)).to.equal('factor-form')
    return { agent: visit.agent, page }
  }

  /** Submits the second factor and consents. @returns the redirect to the client */
  async function finish({ agent, page }: Visit, otp: string): Promise<Page> {
    const next = await agent.follow(await agent.submit(page, { fields: { otp } }))
    return next.location ? next : agent.follow(await agent.submit(next))
  }

  async function expectSignedOut(agent: UserAgent): Promise<void> {
    const { page } = await arrive(server, web, { prompt: 'none' }, agent)
    expect(page.location?.searchParams.get('error')).to.equal('login_required')
  }

  async function claimsIn(returned: Page) {
    const code = returned.location?.searchParams.get('code') ?? ''
    const { access_token, id_token = '' } = tokensIn(await redeem(server, web, code))
    const { amr, acr } = decodeJwt(access_token)
    const idToken = decodeJwt(id_token)
    return { amr, acr, idToken: { amr: idToken['amr'], acr: idToken['acr'] } }
  }

  const wanting = (wanted: object) => ({ claims: JSON.stringify({ id_token: wanted }) })

  it('asks for it after the password, and reports it to the client (RFC 8176, ASVS 6.3.3)', async () => {
    const owner = await factorOwner(server.core)
    const visit = await atFactor(owner, wanting({ amr: null, acr: null }))
    expect(headingOf(visit.page)).to.equal('Confirm that it is you')
    expect(textOf(visit.page)).to.include(owner.username)
    const field = visit.page.root.querySelector('#otp')
    expect(field?.getAttribute('autocomplete')).to.equal('one-time-code')
    await expectSignedOut(visit.agent)
    const done = await finish(visit, codeOf(owner.secret))
    const said = { amr: ['pwd', 'otp', 'mfa'], acr: multiFactor }
    expect(await claimsIn(done)).to.deep.equal({ ...said, idToken: said })
  })

  it('accepts a code once, and no earlier code after it (ASVS 6.5.1, C20)', async () => {
    const owner = await factorOwner(server.core)
    const used = codeOf(owner.secret, 1)
    expect((await finish(await atFactor(owner), used)).location?.search).to.include('code=')
    const { agent, page } = await atFactor(owner)
    for (const otp of [used, codeOf(owner.secret)]) {
      const again = await agent.submit(page, { fields: { otp } })
      expectFormAgain(again, 403, 'factor-form', /already used/)
    }
    await expectSignedOut(agent)
  })

  it('has the time of the last factor, however late the browser continues (OpenID Connect Core §2, ASVS 7.5.1)', async () => {
    const owner = await factorOwner(server.core)
    const { agent, page } = await atFactor(owner)
    travel(60)
    const shownAt = Math.floor(Date.now() / 1000)
    const answer = await agent.submit(page, { fields: { otp: codeOf(owner.secret) } })
    travel(1800)
    const consent = await agent.follow(answer)
    const returned = await agent.follow(await agent.submit(consent))
    const code = returned.location?.searchParams.get('code') ?? ''
    const { access_token } = tokensIn(await redeem(server, web, code))
    expect(decodeJwt(access_token)['auth_time']).to.equal(shownAt)
    const asked = await agent.follow(await agent.get(`${server.issuer}/account/factors`))
    expect(formOf(asked), 'no longer recent').to.equal('login-form')
  })

  it('succeeds in one of many browsers that submit the same code at once (C26)', async () => {
    const owner = await factorOwner(server.core)
    const visits = await Promise.all(Array.from({ length: 4 }, () => atFactor(owner)))
    const otp = codeOf(owner.secret)
    const answers = await Promise.all(
      visits.map(({ agent, page }) => agent.submit(page, { fields: { otp } })),
    )
    expect(answers.map(({ status }) => status)).to.have.members([303, 403, 403, 403])
  })

  it('allows five attempts, then requires the password again (C20, ASVS 6.6.3)', async () => {
    const owner = await factorOwner(server.core)
    const { agent, page } = await atFactor(owner)
    for (let i = 0; i < 5; i++) {
      const again = await agent.submit(page, { fields: { otp: '000000' } })
      expectFormAgain(again, 403, 'factor-form', /wrong/)
    }
    const over = await agent.submit(page, { fields: { otp: codeOf(owner.secret) } })
    expectFormAgain(over, 429, 'login-form', /Sign in again/)
    expectSignInForm(await agent.submit(page, { fields: { otp: codeOf(owner.secret) } }))
    await expectSignedOut(agent)
  })

  function expectSignInForm(page: Page): void {
    expect([page.status, formOf(page)]).to.deep.equal([400, 'login-form'])
  }

  it('counts wrong codes against the account until a sign-in is complete (C9, C20)', async () => {
    const owner = await factorOwner(server.core)
    for (let round = 0; round < 2; round++) {
      const { agent, page } = await atFactor(owner)
      for (let i = 0; i < 2; i++) await agent.submit(page, { fields: { otp: '000000' } })
    }
    const failuresOf = async () =>
      (await server.core.lockouts.list(tenant, [owner.id]))[0]?.failures ?? 0
    expect(await failuresOf(), 'right passwords in between do not reset the count').to.equal(4)
    await finish(await atFactor(owner), codeOf(owner.secret))
    expect(await failuresOf()).to.equal(0)
  })

  it('checks no code while the account is locked', async () => {
    const owner = await factorOwner(server.core)
    const visit = await atFactor(owner)
    for (let i = 0; i < 5; i++) {
      const guess = { owner: { accountId: owner.id } }
      await server.core.lockouts.guess(tenant, guess, async () => false)
    }
    const otp = codeOf(owner.secret)
    const locked = await visit.agent.submit(visit.page, { fields: { otp } })
    expectFormAgain(locked, 403, 'factor-form', /too many attempts/)
    await server.core.lockouts.lift(tenant, owner.id, 'operator')
    const now = await visit.agent.submit(visit.page, { fields: { otp } })
    expect(now.status, 'the code is still unused').to.equal(303)
  })

  it('accepts a recovery code once, in any spelling, and counts those left (ASVS 6.5.1)', async () => {
    const owner = await factorOwner(server.core)
    expect(owner.recoveryCodes).to.have.length(10)
    const [code = ''] = owner.recoveryCodes
    const { agent, page } = await atFactor(owner, wanting({ amr: null }))
    const fields = { recovery_code: ` ${code.toUpperCase().replaceAll('-', ' ')}` }
    const consent = await agent.follow(await agent.submit(page, { form: '#recovery-form', fields }))
    const done = await agent.follow(await agent.submit(consent))
    const said = { amr: ['pwd', 'mfa'], acr: multiFactor }
    expect(await claimsIn(done)).to.deep.include(said)
    expect(await server.core.factors.codesLeft(tenant, owner.id)).to.equal(9)
    const again = await atFactor(owner)
    const refused = await again.agent.submit(again.page, { form: '#recovery-form', fields })
    expectFormAgain(refused, 403, 'factor-form', /already used/)
    const marked = refused.root.querySelectorAll('[aria-invalid]')
    expect(marked.map(({ id }) => id)).to.deep.equal(['recovery_code'])
    expect(marked[0]?.getAttribute('aria-describedby')).to.equal('factor-error')
    expect(refused.root.querySelector('[autofocus]')?.id).to.equal('recovery_code')
  })

  it('asks for it after a one-time password too (ASVS 6.4.3)', async () => {
    const owner = await factorOwner(server.core)
    const account = await server.core.accounts.byIdentifier(tenant, owner.username)
    if (!account) throw new Error('no such account')
    const password = await server.core.accounts.resetPassword(
      account,
      await server.core.accounts.readyOneTime(),
    )
    const { agent, page } = await arrive(server, web)
    const choose = await agent.follow(
      await agent.submit(page, credentialsOf({ ...owner, password })),
    )
    const chosen = 'another password of my own'
    const fields = { new_password: chosen, confirm_password: chosen }
    const asked = await agent.follow(await agent.submit(choose, { fields }))
    expect(formOf(asked)).to.equal('factor-form')
    await expectSignedOut(agent)
    expect(
      (await finish({ agent, page: asked }, codeOf(owner.secret))).location?.search,
    ).to.include('code=')
  })

  it('ends when the password was changed meanwhile (C6)', async () => {
    const owner = await factorOwner(server.core)
    const { agent, page } = await atFactor(owner)
    const account = await server.core.accounts.byIdentifier(tenant, owner.username)
    if (!account) throw new Error('no such account')
    await server.core.revocations.passwordChanged(account)
    await agent.follow(await agent.submit(page, { fields: { otp: codeOf(owner.secret) } }))
    await expectSignedOut(agent)
  })

  it('expires after ten minutes', async () => {
    const owner = await factorOwner(server.core)
    const { agent, page } = await atFactor(owner)
    travel(601)
    expectSignInForm(await agent.submit(page, { fields: { otp: codeOf(owner.secret) } }))
  })

  describe('the step of the second factor (C7, ASVS 2.3.1)', () => {
    async function raw({ agent, page }: Visit, step: string, type: string, body: string) {
      const url = new URL(`${page.url.href}/${step}`)
      const cookie = await agent.jar.getCookieString(url.href)
      const headers = { cookie, 'content-type': type, accept: 'text/html', origin: url.origin }
      return exchange({ method: 'POST', url, headers, body })
    }

    for (const step of ['login', 'password', 'factor', 'consent']) {
      it(`cannot be skipped by a request to ${step}`, async () => {
        const owner = await factorOwner(server.core)
        const visit = await atFactor(owner)
        const { agent, page } = visit
        const csrf = csrfOf(page)
        const form = 'application/x-www-form-urlencoded'
        const otp = codeOf(owner.secret)
        for (const [type, body] of [
          [form, ''],
          ['application/json', '[]'],
          ['application/json', JSON.stringify({ csrf, otp, decision: 'allow' })],
          ['application/json', JSON.stringify([{ csrf, otp, decision: 'allow' }])],
          ['text/plain', `csrf=${csrf}&otp=${otp}`],
          ['multipart/form-data; boundary=x', '--x\r\n\r\n--x--'],
        ] as const) {
          expectFault(await raw(visit, step, type, body), 403, /could not confirm/)
        }
        const bare = await raw(visit, step, form, `csrf=${csrf}`)
        expect(bare.status, bare.body).to.equal(400)
        const chosen = 'another password of my own'
        if (step !== 'factor') {
          const fields = { csrf, otp, decision: 'allow', new_password: chosen }
          const crossed = await agent.post(`${page.url.href}/${step}`, {
            ...{ ...fields, confirm_password: chosen },
          })
          expect(crossed.status, crossed.body).to.equal(400)
        }
        const uid = page.url.pathname.split('/').at(-1)
        const early = await agent.follow(await agent.get(`${server.issuer}/authorize/${uid}`))
        expect(early.location).to.equal(undefined)
        await expectSignedOut(agent)
      })
    }

    it('does not exist before the password, nor in another interaction of the same browser', async () => {
      const owner = await factorOwner(server.core)
      const early = await arrive(server, web)
      const otp = codeOf(owner.secret)
      const csrf = csrfOf(early.page)
      expectSignInForm(await early.agent.post(`${early.page.url.href}/factor`, { csrf, otp }))
      const proven = await atFactor(owner, {}, early.agent)
      const crossed = await early.agent.post(`${early.page.url.href}/factor`, { csrf, otp })
      expectSignInForm(crossed)
      const mixed = await early.agent.post(`${early.page.url.href}/factor`, {
        ...{ csrf: csrfOf(proven.page), otp },
      })
      expectFault(mixed, 403, /could not confirm/)
      await expectSignedOut(early.agent)
    })

    it('belongs to another account once the password of that account was given', async () => {
      const [owner, other] = [await factorOwner(server.core), await factorOwner(server.core)]
      const { agent, page } = await atFactor(owner)
      const csrf = csrfOf(page)
      await agent.post(`${page.url.href}/login`, {
        ...{ csrf, username: other.username, password: other.password },
      })
      const refused = await agent.submit(page, { fields: { otp: codeOf(owner.secret) } })
      expectFormAgain(refused, 403, 'factor-form', /wrong/)
      const plain = await somebody(server.core)
      const done = await agent.post(`${page.url.href}/login`, {
        ...{ csrf, username: plain.username, password: plain.password },
      })
      expect(done.status, 'an account without a factor').to.equal(303)
      const late = await agent.submit(page, { fields: { otp: codeOf(other.secret) } })
      expectSignInForm(late)
    })

    it('fails after the account was signed out everywhere, and is not audited as a sign-in (C4, C6)', async () => {
      const owner = await factorOwner(server.core)
      const { agent, page } = await atFactor(owner)
      const account = (await server.core.accounts.byIdentifier(tenant, owner.username)) as Account
      await server.core.revocations.logOutEverywhere(account)
      const late = await agent.submit(page, { fields: { otp: codeOf(owner.secret) } })
      expect(formOf(await agent.follow(late))).to.equal('login-form')
      const { events } = await server.core.audit.listEvents(
        tenant,
        { accountId: owner.id, types: ['account.signed_in'] },
        { limit: 10 },
      )
      expect(events).to.deep.equal([])
      await expectSignedOut(agent)
    })

    it('accepts one submission, in one browser', async () => {
      const owner = await factorOwner(server.core)
      const { agent, page } = await atFactor(owner)
      const thief = (await arrive(server, web)).agent
      const stolen = await thief.post(`${page.url.href}/factor`, {
        ...{ csrf: csrfOf(page), otp: codeOf(owner.secret) },
      })
      expectFault(stolen, 400, /has expired/)
      const fields = { otp: codeOf(owner.secret) }
      await agent.follow(await agent.submit(page, { fields }))
      expectFault(await agent.submit(page, { fields }), 400, /has expired/)
    })
  })

  describe('authentication contexts (OpenID Connect Core §3.1.2.1, §5.5.1.1)', () => {
    const essential = wanting({ acr: { essential: true, value: multiFactor } })
    const essentials = wanting({ acr: { essential: true, values: ['gold', multiFactor] } })

    it('are published', async () => {
      const url = new URL(`${server.issuer}/.well-known/openid-configuration`)
      const metadata = (await exchange({ method: 'GET', url, headers: {} })).json() as Record<
        string,
        unknown
      >
      expect(metadata['acr_values_supported']).to.deep.equal([multiFactor])
      expect(metadata['claims_supported']).to.include.members(['acr', 'amr'])
    })

    for (const [how, wanted] of [
      ['essential claim', essential],
      ['essential claim of several values', essentials],
      ['acr_values', { acr_values: multiFactor }],
    ] as const) {
      it(`require the factor from a session that began without it: ${how} (ASVS 6.8.4, C7)`, async () => {
        const person = await somebody(server.core)
        const { agent, page } = await arrive(server, web)
        const consent = await agent.follow(await agent.submit(page, credentialsOf(person)))
        await agent.follow(await agent.submit(consent))
        const silent = await arrive(server, web, { prompt: 'none', ...wanted }, agent)
        if ('claims' in wanted) expectReturned(silent.page, 'login_required')
        else expect(silent.page.location?.search, 'voluntary').to.include('code=')

        const owner = await addFactor(person)
        const visit = await atFactor(owner, wanted, agent)
        const claims = await claimsIn(await finish(visit, codeOf(owner.secret)))
        expect(claims.acr).to.equal(multiFactor)
        const quiet = await arrive(server, web, { prompt: 'none', ...wanted }, agent)
        expect(quiet.page.location?.search, 'not required again').to.include('code=')
      })
    }

    async function addFactor(person: Awaited<ReturnType<typeof somebody>>): Promise<Owner> {
      const secret = newTotpSecret()
      const app = { secret, name: '', code: codeOf(secret, -1), onlyFirst: true }
      await server.core.factors.add(tenant, person.id, app, { by: 'owner' })
      return { ...person, secret, recoveryCodes: [] }
    }

    it('lead to an error when one is essential and the account has no factor (P-021)', async () => {
      const person = await somebody(server.core)
      const { agent, page } = await arrive(server, web, essential)
      const back = await agent.follow(await agent.submit(page, credentialsOf(person)))
      expectReturned(back, 'unmet_authentication_requirements')
      await expectSignedOut(agent)
      const wish = await arrive(server, web, { acr_values: multiFactor }, agent)
      const done = await agent.follow(await agent.submit(wish.page, credentialsOf(person)))
      expect(headingOf(done), 'voluntary, so no error').to.match(/^Allow/)
    })
  })
})
