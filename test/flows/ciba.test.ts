import { expect } from 'chai'
import { decodeJwt } from 'jose'
import { hashOf } from '../../src/secrets/handle.ts'
import { itOnAny } from '../support/any-storage.ts'
import { booted, onEachStorage } from '../support/boot.ts'
import {
  answerRequest,
  askForResult,
  askPerson,
  bank,
  openAccount,
  openRequest,
  outcomeOf,
  requestsOn,
  startRequest,
} from '../support/ciba.ts'
import { signOut } from '../support/devices.ts'
import { alice, api, furnish, machine, tv, web } from '../support/fixtures.ts'
import { forgetShortLived } from '../support/forget.ts'
import {
  expectRefusal,
  introspect,
  post,
  refresh,
  signIn,
  type Tokens,
  tokensIn,
  userinfo,
} from '../support/protocol.ts'
import { backToPresent, travel } from '../support/time-travel.ts'
import { createUserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

onEachStorage('backchannel authentication, poll (OpenID CIBA Core 1.0)', (kind) => {
  const test = itOnAny(kind)
  const server = booted(kind, {}, furnish)
  before(async () => {
    remember(bank.client_secret)
    await server.core.clients.declare('default', bank)
  })
  afterEach(async () => {
    backToPresent()
    for (const table of ['backchannel_requests', 'attempts']) {
      await server.core.database.execute(`delete from ${table}`, [])
    }
  })

  const active = async (token: string | undefined) =>
    (await introspect(server, bank, token))['active']

  async function allowed(fields?: Record<string, string>) {
    const request = await startRequest(server, fields)
    await answerRequest(server)
    return request
  }

  test('acknowledges a request as §7.3 requires', async () => {
    const page = await askPerson(server, { binding_message: 'W4SCT' })
    const { auth_req_id } = page.json() as { auth_req_id: string }
    expect(page.json()).to.deep.equal({ auth_req_id, expires_in: 600, interval: 5 })
    expect(auth_req_id).to.match(/^[\w-]{65}$/)
    expect(page.headers.get('cache-control')).to.include('no-store')
  })

  it('issues tokens once the user allows the request, and refresh tokens rotate as usual', async () => {
    const claims = JSON.stringify({ id_token: { amr: null } })
    const scope = 'openid email offline_access'
    const request = await startRequest(server, { scope, claims })
    expectRefusal(await askForResult(server, request), 400, 'authorization_pending')
    const before = Math.floor(Date.now() / 1000)
    await answerRequest(server)
    const tokens = tokensIn(await askForResult(server, request))
    const { auth_time, amr, acr, fid, sub, client_id } = decodeJwt(tokens.access_token)
    expect({ amr, acr, client_id, fid: typeof fid }).to.deep.equal({
      ...{ amr: ['pwd'], acr: undefined, client_id: bank.client_id, fid: 'string' },
    })
    expect(auth_time).to.be.within(before, before + 30)
    const idToken = decodeJwt(tokens.id_token as string)
    expect(idToken).to.deep.include({ sub, aud: bank.client_id, auth_time, amr: ['pwd'] })
    expect(idToken['sid']).to.be.a('string')
    expect((await userinfo(server, tokens.access_token)).json()).to.include({ email: alice.email })
    const second = tokensIn(await refresh(server, bank, tokens))
    expect(second.refresh_token).not.to.equal(tokens.refresh_token)
    const [grant] = await server.core.grants.list('default', { clientId: bank.client_id })
    expect(grant?.scopes).to.include.members(['openid', 'email', 'offline_access'])
  })

  test('limits a resource token to the allowed scopes (RFC 8707)', async () => {
    const request = await startRequest(server, { scope: 'openid orders:read', resource: api })
    const page = await openRequest(server)
    const scopes = page.root
      .querySelectorAll('.kt-scopes li')
      .map((line) => line.getAttribute('data-scope'))
    expect(scopes).to.deep.equal(['openid', 'orders:read'])
    await answerRequest(server)
    const { aud, scope } = decodeJwt(tokensIn(await askForResult(server, request)).access_token)
    expect({ aud, scope }).to.deep.equal({ aud: api, scope: 'orders:read' })
  })

  it('ends tokens without offline_access with the session, and keeps those with it', async () => {
    const bound = await startRequest(server, { scope: 'openid' })
    const agent = await answerRequest(server)
    const free = await startRequest(server, { scope: 'openid offline_access' })
    await answerRequest(server, '#allow', agent)
    const ends = tokensIn(await askForResult(server, bound))
    const stays = tokensIn(await askForResult(server, free))
    await signOut(server, agent)
    expectRefusal(await refresh(server, bank, ends), 400, 'invalid_grant')
    tokensIn(await refresh(server, bank, stays))
  })

  test('lists the family under the browser that allowed it', async () => {
    const request = await startRequest(server, { scope: 'openid offline_access' })
    const mozilla = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0'
    await answerRequest(server, '#allow', createUserAgent({ called: mozilla }))
    tokensIn(await askForResult(server, request))
    const families = await server.core.families.list('default', { clientId: bank.client_id })
    expect(families.map(({ device }) => device)).to.include('Firefox on Linux')
  })

  describe('polling (§11)', () => {
    it('answers slow_down when too early, adding five seconds each time, and authorization_pending otherwise', async () => {
      const request = await startRequest(server)
      const wait = async (seconds: number, answer: string) => {
        travel(seconds)
        expectRefusal(await askForResult(server, request), 400, answer)
      }
      await wait(0, 'authorization_pending')
      await wait(4, 'slow_down')
      await wait(6, 'slow_down')
      await wait(15, 'authorization_pending')
      await answerRequest(server)
      tokensIn(await askForResult(server, request))
    })

    it('answers expired_token after expiry, also much later, and invalid_grant to unknown ids', async () => {
      const request = await startRequest(server, { requested_expiry: '60' })
      expect(request.expires_in).to.equal(60)
      const long = await startRequest(server, { requested_expiry: '100000' })
      expect(long.expires_in).to.equal(600)
      travel(61)
      expectRefusal(await askForResult(server, request), 400, 'expired_token')
      travel(3600)
      expectRefusal(await askForResult(server, request), 400, 'expired_token')
      const { auth_req_id } = request
      for (const invented of ['x', 'y'.repeat(65), auth_req_id.slice(0, -1), 'ÿ'.repeat(65)]) {
        const answer = await askForResult(server, { auth_req_id: invented })
        expectRefusal(answer, 400, 'invalid_grant')
      }
    })

    test('keeps answering access_denied after the user denied', async () => {
      const request = await startRequest(server)
      await answerRequest(server, '#deny')
      for (let time = 0; time < 3; time += 1) {
        expectRefusal(await askForResult(server, request), 400, 'access_denied')
      }
    })

    it('is refused to other clients, without effect for the owner (P-017)', async () => {
      const other = { ...bank, client_id: 'other-bank' }
      await server.core.clients.declare('default', other)
      const request = await startRequest(server)
      expectRefusal(await askForResult(server, request, other), 400, 'invalid_grant')
      await answerRequest(server)
      expectRefusal(await askForResult(server, request, other), 400, 'invalid_grant')
      tokensIn(await askForResult(server, request))
    })
  })

  describe('an allowed request', () => {
    it('is redeemed once by concurrent requests, and the reuse revokes its tokens (C26)', async () => {
      const request = await allowed({ scope: 'openid offline_access' })
      const pages = await Promise.all(
        Array.from({ length: 20 }, () => askForResult(server, request)),
      )
      const won = pages.filter(({ status }) => status === 200)
      expect(won).to.have.length(1)
      expect(pages.filter(({ status }) => status === 400)).to.have.length(19)
      const [tokens] = won.map((page) => page.json() as Tokens)
      expect(await active(tokens?.access_token)).to.equal(false)
    })

    it('is not used up by a failed check: the correct request still succeeds (P-017)', async () => {
      const request = await allowed()
      const fields = { grant_type: bank.grant_types[0], auth_req_id: request.auth_req_id }
      const wrong = await post(server, '/token', bank, { ...fields, resource: api })
      expectRefusal(wrong, 400, 'invalid_target')
      tokensIn(await askForResult(server, request))
    })

    it('cannot be moved to another key in Redis: the copy allows nothing (C19)', async () => {
      const [small, large] = [await startRequest(server), await startRequest(server)]
      const placeOf = ({ auth_req_id }: typeof small) => ({
        tenant: 'default',
        model: 'BackchannelAuthenticationRequest',
        id: hashOf(auth_req_id),
      })
      const { shortLived } = server.core
      await shortLived.put(placeOf(small), await shortLived.get(placeOf(large)), 600)
      expectRefusal(await askForResult(server, small), 500, 'server_error')
      expectRefusal(await askForResult(server, large), 400, 'authorization_pending')
    })

    it('expires when Redis, or its embedded replacement, loses it: never granted, never pending for good', async () => {
      const request = await allowed()
      const open = await startRequest(server)
      await forgetShortLived(server.core, server.env)
      expectRefusal(await askForResult(server, request), 400, 'expired_token')
      expectRefusal(await askForResult(server, open), 400, 'expired_token')
      expect(requestsOn(await openAccount(server, createUserAgent()))).to.deep.equal([])
    })
  })

  describe('hints (§7.1)', () => {
    test('accept an e-mail address in any case, and an ID token of this server', async () => {
      const { id } = (await server.core.accounts.byIdentifier('default', alice.email)) as {
        id: string
      }
      await startRequest(server, { login_hint: alice.email.toUpperCase() })
      const request = await allowed()
      const { id_token } = tokensIn(await askForResult(server, request))
      expect(decodeJwt(id_token as string).sub).to.equal(id)
      travel(3600)
      await startRequest(server, { login_hint: undefined, id_token_hint: id_token })
      const agent = createUserAgent()
      expect(requestsOn(await openAccount(server, agent))).to.have.length(1)
    })

    test('are refused unless there is exactly one valid hint; login_hint_token is not supported', async () => {
      await signIn(server, web)
      const refusals: [Record<string, string | undefined>, string, RegExp][] = [
        [{ login_hint: undefined }, 'invalid_request', /missing one of/],
        [{ id_token_hint: 'x' }, 'invalid_request', /only one of/],
        [{ login_hint: undefined, login_hint_token: 'x' }, 'invalid_request', /not supported/],
        [{ login_hint: undefined, id_token_hint: 'x.y.z' }, 'invalid_request', /id_token_hint/],
      ]
      for (const [fields, error, description] of refusals) {
        const page = await askPerson(server, fields)
        expectRefusal(page, 400, error)
        expect((page.json() as { error_description: string }).error_description).to.match(
          description,
        )
      }
    })

    test('for unknown or disabled accounts get unknown_user_id, a limited number of times (C9)', async () => {
      const bob = { email: 'bob@example.com', password: 'a caterpillar on a mushroom 7' }
      remember(bob.password)
      await server.core.accounts.declare('default', bob)
      const account = await server.core.accounts.byIdentifier('default', bob.email)
      if (!account) throw new Error('no account')
      await server.core.revocations.setAccountDisabled(account, true)
      const unknown = await askPerson(server, { login_hint: 'nobody@example.com' })
      expectRefusal(unknown, 400, 'unknown_user_id')
      const disabled = await askPerson(server, { login_hint: bob.email })
      const bodyOf = ({ body }: { body: string }) => body.replace(/"error_id":"[^"]*"/, '')
      expect(bodyOf(disabled)).to.equal(bodyOf(unknown))
      for (let stranger = 2; stranger < 100; stranger += 1) {
        const page = await askPerson(server, { login_hint: `nobody-${stranger}@example.com` })
        expectRefusal(page, 400, 'unknown_user_id')
      }
      expectRefusal(await askPerson(server, { login_hint: 'x@example.com' }), 403, 'access_denied')
      expectRefusal(await askPerson(server), 403, 'access_denied')
      travel(601)
      await startRequest(server)
    })
  })

  describe('limits of pending requests (C25)', () => {
    it('allow three per client and ten per account; expired ones do not count', async () => {
      const clients = await Promise.all(
        ['b', 'c', 'd', 'e'].map(async (name) => {
          const client = { ...bank, client_id: `bank-${name}` }
          await server.core.clients.declare('default', client)
          return client
        }),
      )
      const before = server.core.counters.read()
      const answers = await Promise.all(
        [bank, ...clients].flatMap((client) =>
          Array.from({ length: 5 }, () => askPerson(server, {}, client)),
        ),
      )
      const statuses = answers.map(({ status }) => status)
      expect(statuses.filter((status) => status === 200)).to.have.length(10)
      expect(statuses.filter((status) => status === 403)).to.have.length(15)
      for (const index of [0, 5, 10, 15, 20]) {
        const own = statuses.slice(index, index + 5).filter((status) => status === 200)
        expect(own.length).to.be.at.most(3)
      }
      const agent = createUserAgent()
      expect(requestsOn(await openAccount(server, agent))).to.have.length(10)
      const refused = answers.find(({ status }) => status === 403)
      if (refused) expectRefusal(refused, 403, 'access_denied')
      const after = server.core.counters.read()
      expect(after.backchannel_asked - before.backchannel_asked).to.equal(10)
      expect(after.backchannel_refused - before.backchannel_refused).to.equal(15)
      travel(601)
      await startRequest(server)
      expect(requestsOn(await openAccount(server, agent))).to.have.length(1)
    })

    test('allow another once one of them is answered', async () => {
      for (let time = 0; time < 3; time += 1) await startRequest(server)
      expectRefusal(await askPerson(server), 403, 'access_denied')
      await answerRequest(server, '#deny')
      await startRequest(server)
    })
  })

  describe('refusals (§13)', () => {
    test('are those of RFC 6749 and CIBA (ASVS 10.4.10, 10.4.11, P-042)', async () => {
      expectRefusal(await askPerson(server, {}, web), 400, 'unauthorized_client')
      expectRefusal(await askPerson(server, {}, machine), 400, 'unauthorized_client')
      expectRefusal(await askPerson(server, {}, tv), 400, 'unauthorized_client')
      expectRefusal(await askPerson(server, {}, { client_id: 'nobody' }), 401, 'invalid_client')
      expectRefusal(await askPerson(server, {}, { client_id: 'bank' }), 401, 'invalid_client')
      expectRefusal(await askPerson(server, { scope: 'orders:read' }), 400, 'invalid_request')
      expectRefusal(await askPerson(server, { scope: undefined }), 400, 'invalid_request')
      expectRefusal(
        await askPerson(server, { resource: 'https://no.example' }),
        400,
        'invalid_target',
      )
      for (const requested_expiry of ['0', '-1', 'x', '1.5']) {
        expectRefusal(await askPerson(server, { requested_expiry }), 400, 'invalid_request')
      }
      for (const binding_message of [
        ' W4SCT',
        'W4SCT ',
        'two  spaces',
        'a\nb',
        'a\u202eb',
        'a\u200bb',
        'x'.repeat(101),
      ]) {
        expectRefusal(await askPerson(server, { binding_message }), 400, 'invalid_binding_message')
      }
      const get = await createUserAgent().get(`${server.issuer}/backchannel-authentication`)
      expect(get.status).to.equal(405)
      expectRefusal(
        await post(server, '/token', web, { grant_type: bank.grant_types[0], auth_req_id: 'x' }),
        400,
        'unauthorized_client',
      )
    })

    test('apply to disabled clients, and their pending requests leave the account page', async () => {
      const request = await startRequest(server)
      await server.core.revocations.setClientDisabled('default', bank.client_id, true)
      expectRefusal(await askForResult(server, request), 401, 'invalid_client')
      expectRefusal(await askPerson(server), 401, 'invalid_client')
      expect(requestsOn(await openAccount(server, createUserAgent()))).to.deep.equal([])
      travel(2)
      await server.core.revocations.setClientDisabled('default', bank.client_id, false)
      expectRefusal(await askForResult(server, request), 400, 'expired_token')
    })
  })

  test('max_age: a user who signed in too long ago signs in again, and auth_time reflects it (P-019)', async () => {
    const agent = createUserAgent()
    await openAccount(server, agent)
    travel(3000)
    const request = await startRequest(server, { max_age: '0' })
    const link = requestsOn(await openAccount(server, agent))[0] as string
    const login = await agent.follow(await agent.get(link))
    expect(login.root.querySelector('#login-form')).not.to.equal(null)
    const page = await agent.follow(
      await agent.submit(login, { fields: { username: alice.email, password: alice.password } }),
    )
    expect(page.root.querySelector('#request-form')?.getAttribute('action')).to.include(
      '/requests/',
    )
    travel(180)
    const late = await agent.follow(await agent.submit(page))
    expect(late.root.querySelector('#login-form'), 'the form was open for too long').not.to.equal(
      null,
    )
    const again = await agent.follow(
      await agent.submit(late, { fields: { username: alice.email, password: alice.password } }),
    )
    expect(outcomeOf(await agent.submit(again))).to.equal('allowed')
    const { auth_time, iat } = decodeJwt(
      tokensIn(await askForResult(server, request)).id_token as string,
    )
    expect((iat as number) - (auth_time as number)).to.be.within(0, 30)
  })
})
