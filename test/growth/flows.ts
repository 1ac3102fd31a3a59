import { expect } from 'chai'
import { sweepExpired } from '../../src/retention.ts'
import { shortLivedInPostgres } from '../../src/storage/short-lived.postgres.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { ask as askAdmin, machineWith, tokenOf } from '../support/admin.ts'
import { optionsOn, passkeyOwner, showPasskey } from '../support/authenticator.ts'
import type { TestServer } from '../support/boot.ts'
import { answerRequest, askForResult, bank, startRequest } from '../support/ciba.ts'
import { allowDevice, askFor, startDevice } from '../support/devices.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { prover } from '../support/dpop.ts'
import { eventually } from '../support/eventually.ts'
import {
  alice,
  api,
  callback,
  furnish,
  furnishOpaque,
  machine,
  opaque,
  ordersApi,
  spa,
  web,
} from '../support/fixtures.ts'
import type { FormInput } from '../support/html-form.ts'
import { exchange, type Page } from '../support/http-exchange.ts'
import type { Mailbox } from '../support/mailbox.ts'
import {
  authorizeUrl,
  codeFor,
  introspect,
  post,
  redeem,
  refresh,
  type Tokens,
  tokensFor,
  tokensIn,
  userinfo,
  verifier,
} from '../support/protocol.ts'
import { informationIn, registrar, selfDeclared } from '../support/registering.ts'
import { codeOf, factorOwner, somebody } from '../support/second-factor.ts'
import { askSignals, type StreamView, signalToken } from '../support/signals.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { remember } from '../support/witness.ts'

/** Declares what the flows need beyond the usual fixtures. */
export async function prepare(server: TestServer): Promise<void> {
  const { clients, tenants } = server.core
  await furnish(server)
  await furnishOpaque(server)
  remember(bank.client_secret)
  await clients.declare(defaultTenant, bank)
  await tenants.declareSignUp(defaultTenant, { mode: 'open', domains: [] })
  await tenants.setPolicy(defaultTenant, { emailCodes: true })
}

const ofMachine = { grant_type: 'client_credentials', resource: api }

/** Sign-in, SSO, code, refresh, replay, introspection, userinfo, client credentials, revocation, sign-out. */
export async function useTokens(server: TestServer): Promise<void> {
  const agent = createUserAgent()
  const scope = 'openid offline_access'
  const code = await codeFor(server, web, { scope }, agent)
  const first = tokensIn(await redeem(server, web, code))
  await redeem(server, web, code)
  const tokens = async (fields: Record<string, string>): Promise<Tokens> =>
    tokensIn(await redeem(server, web, await codeFor(server, web, fields, agent)))
  const kept = await tokens({ scope })
  const next = tokensIn(await refresh(server, web, kept))
  tokensIn(await refresh(server, web, kept))
  tokensIn(await refresh(server, web, next))
  await refresh(server, web, first)
  expect((await userinfo(server, next.access_token)).status).to.equal(200)
  const opaqueTokens = await tokens({ scope: 'openid read', resource: opaque })
  await introspect(server, ordersApi, opaqueTokens.access_token)
  const { access_token: jwt } = tokensIn(await post(server, '/token', machine, ofMachine))
  await introspect(server, ordersApi, jwt)
  await post(server, '/revoke', machine, { token: jwt })
  await post(server, '/revoke', web, { token: next.refresh_token })
  await post(server, '/token', { ...machine, client_secret: 'wrong' }, ofMachine)
  const pushed = Object.fromEntries(authorizeUrl(server, web).searchParams)
  expect((await post(server, '/par', web, pushed)).status).to.equal(201)
  await agent.get(new URL(`${server.issuer}/logout?client_id=web`))
  // Leaves a session with a family.
  await tokensFor(server, web, { scope })
}

/** Revokes one grant, then all access of an account, then disables a client. */
export async function useRevocations(server: TestServer): Promise<void> {
  const { accounts, revocations } = server.core
  const account = await accounts.byIdentifier(defaultTenant, alice.email)
  if (!account) throw new Error('no account of alice')
  const fields = { scope: 'openid offline_access' }
  await tokensFor(server, web, fields)
  await revocations.revokeGrant(defaultTenant, account.id, web.client_id)
  await tokensFor(server, web, fields)
  await revocations.logOutEverywhere(account)
  await tokensFor(server, spa, fields)
  for (const isDisabled of [true, false]) {
    await revocations.setClientDisabled(defaultTenant, spa.client_id, isDisabled)
  }
}

/** Device grant, backchannel authentication, and a browser app with DPoP. */
export async function useOtherGrants(server: TestServer): Promise<void> {
  const device = await startDevice(server)
  await askFor(server, device)
  await allowDevice(server, device)
  tokensIn(await askFor(server, device))
  const request = await startRequest(server)
  await askForResult(server, request)
  await answerRequest(server)
  tokensIn(await askForResult(server, request))
  // Left pending.
  await startRequest(server)

  const prove = await prover(server)
  const code = await codeFor(server, spa, { scope: 'openid offline_access' })
  const redeemed = {
    grant_type: 'authorization_code',
    ...{ code, redirect_uri: callback, code_verifier: verifier },
  }
  const dpop = await prove()
  const { access_token } = tokensIn(await post(server, '/token', spa, redeemed, { dpop }))
  const asked = await exchange({
    method: 'GET',
    url: new URL(`${server.issuer}/userinfo`),
    headers: { authorization: `DPoP ${access_token}`, dpop: await prove(undefined, access_token) },
  })
  expect(asked.status, asked.body).to.equal(200)
}

/** Wrong passwords; signing in with an app, a recovery code, a passkey and an e-mailed code. */
export async function usePeople(server: TestServer, mailbox: Mailbox): Promise<void> {
  const { core } = server
  async function step(
    { username, password }: { username: string; password: string },
    answer: (page: Page) => FormInput | Promise<FormInput>,
  ): Promise<void> {
    const agent = createUserAgent()
    const form = await agent.follow(await agent.get(authorizeUrl(server, web)))
    const asked = await agent.follow(await agent.submit(form, { fields: { username, password } }))
    const next = await agent.follow(await agent.submit(asked, await answer(asked)))
    const last = next.location ? next : await agent.follow(await agent.submit(next))
    expect(last.location?.search, last.body).to.include('code=')
  }
  const guesser = createUserAgent()
  const form = await guesser.follow(await guesser.get(authorizeUrl(server, web)))
  for (const username of [alice.email, 'nobody@example.com']) {
    const refused = await guesser.submit(form, { fields: { username, password: 'a wild guess' } })
    expect(refused.status).to.be.within(400, 499)
  }
  const owner = await factorOwner(core)
  await step(owner, () => ({ fields: { otp: codeOf(owner.secret) } }))
  const [recovery_code = ''] = owner.recoveryCodes
  await step(owner, () => ({ form: '#recovery-form', fields: { recovery_code } }))
  const keeper = await passkeyOwner(core)
  await step(keeper, (page) => ({
    form: '#passkey-form',
    fields: { credential: showPasskey(keeper.key, optionsOn(page), server.issuer) },
  }))
  const reader = await somebody(core)
  await core.accounts.declare(defaultTenant, { email: reader.username, emailVerified: true })
  const account = await core.accounts.active(defaultTenant, reader.id)
  if (account) await core.mailedCodes.turnOn(account, { by: 'owner' })
  await step(reader, async () => {
    const otp = await eventually('the code arrives', () =>
      mailbox.mails
        .filter(({ to }) => to === reader.username)
        .flatMap(({ text }) => /asks for it: (\d{8})\b/.exec(text)?.[1] ?? [])
        .at(0),
    )
    remember(otp)
    return { form: '#email-code-form', fields: { otp } }
  })
}

/** Sign-up, password reset, new name. Mail is refused, so that links and messages stay stored. */
export async function useLetters(server: TestServer, mailbox: Mailbox): Promise<void> {
  const agent: UserAgent = createUserAgent({ origin: server.issuer })
  const fill = async (path: string, fields: Record<string, string>) => {
    const sent = await agent.submit(await agent.get(path), { fields })
    expect(sent.status, sent.body).to.be.below(400)
  }
  mailbox.refuseWith(...Array.from({ length: 20 }, () => 451))
  await fill('/sign-up', { email: 'carol@example.com' })
  await fill('/password/forgot', { username: alice.email })
  await agent.walk(authorizeUrl(server, web), { username: alice.email, password: alice.password })
  await fill('/account/profile', { name: 'Alice', username: 'alice' })
  for (const page of ['sessions', 'applications', 'history', 'factors']) {
    expect((await agent.get(`/account/${page}`)).status, page).to.equal(200)
  }
}

/** Clients that register and change themselves, and one with a metadata document. */
export async function useRegistration(server: TestServer): Promise<void> {
  const { register, send, declare } = registrar(() => server)
  await declare({ mode: 'open', client_id_metadata_documents: true })
  const made = informationIn(await register(selfDeclared))
  remember(made.registration_access_token)
  const { registration_client_uri: at, registration_access_token: token } = made
  expect((await send('GET', at, { token })).status).to.equal(200)
  await tokensFor(server, made)
  informationIn(await register(selfDeclared))
  const host = await startDocumentHost()
  const client_id = host.publish('/client.json')
  await tokensFor(server, { client_id })
  host.stop()
}

/** The admin API with an idempotent request and first pages; a resource server that polls for signals. */
export async function useApis(server: TestServer): Promise<void> {
  const token = await tokenOf(server, await machineWith(server, 'owner'))
  const path = '/tenants/default'
  for (let i = 0; i < 2; i++) {
    const headers = { 'idempotency-key': '"made-once"' }
    const body = { email: 'dave@example.com' }
    const made = await askAdmin(server, 'POST', `${path}/accounts`, { token, body, headers })
    expect(made.status, made.body).to.equal(201)
  }
  const lists = ['accounts', 'clients', 'sessions', 'grants', 'families', 'audit', 'statistics']
  for (const list of lists) {
    const page = await askAdmin(server, 'GET', `${path}/${list}`, { token })
    expect(page.status, page.body).to.equal(200)
  }
  const listener = await signalToken(server, ordersApi)
  const made = await askSignals(server, listener, 'POST', 'ssf/streams', {
    delivery: { method: 'urn:ietf:rfc:8936' },
    events_requested: ['https://schemas.openid.net/secevent/caep/event-type/session-revoked'],
  })
  expect(made.status, made.body).to.equal(201)
  const { delivery, stream_id } = made.json() as StreamView
  const state = 'the-state-of-the-listener'
  await askSignals(server, listener, 'POST', 'ssf/verify', { stream_id, state })
  const agent = createUserAgent({ origin: server.issuer })
  await tokensFor(server, web, { resource: api, scope: 'openid orders:read' }, agent)
  await agent.submit(await agent.get('/account'))
  const poll = () =>
    askSignals(server, listener, 'POST', delivery.endpoint_url, { returnImmediately: true })
  await eventually('signals arrive', async () => (await poll()).body.includes('ey'))
}

/** Background work, and the short-lived store of an installation without Redis. */
export async function useTheRest({ core }: TestServer): Promise<void> {
  const store = shortLivedInPostgres(core.database, core.clock)
  const at = { tenant: defaultTenant, model: 'Interaction', id: 'one' }
  await store.put(at, {}, 60)
  await store.get(at)
  await store.replace(at, {}, 60)
  await store.delete(at)
  await store.put(at, {}, 60)
  await store.take(at)
  await store.put(at, {}, 60)
  await sweepExpired(core)
  await core.familyWatch.look()
}
