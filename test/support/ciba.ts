import { expect } from 'chai'
import { cibaGrant } from '../../src/clients/client.ts'
import type { TestServer } from './boot.ts'
import { alice } from './fixtures.ts'
import type { Page } from './http-exchange.ts'
import { type Fields, post, type StoryClient } from './protocol.ts'
import { type Credentials, createUserAgent, type UserAgent } from './user-agent.ts'
import { remember } from './witness.ts'

/** A client that sends backchannel requests: a bank's call centre. */
export const bank = {
  client_id: 'bank',
  client_name: 'Example bank',
  client_secret: 'the-secret-of-the-example-bank',
  grant_types: [cibaGrant, 'refresh_token'],
  backchannel_token_delivery_mode: 'poll',
}

/** The acknowledgement of a request (CIBA §7.3). */
export interface Acknowledgement {
  auth_req_id: string
  expires_in: number
  interval: number
}

/** Sends a request about Alice. */
export function askPerson(
  server: TestServer,
  fields: Fields = {},
  client: StoryClient = bank,
): Promise<Page> {
  const usual = { scope: 'openid', login_hint: alice.email }
  return post(server, '/backchannel-authentication', client, { ...usual, ...fields })
}

/** The same; the request must be accepted. */
export async function startRequest(
  server: TestServer,
  fields: Fields = {},
  client: StoryClient = bank,
): Promise<Acknowledgement> {
  const page = await askPerson(server, fields, client)
  if (page.status !== 200) throw new Error(`not acknowledged (${page.status}): ${page.body}`)
  const acknowledged = page.json() as Acknowledgement
  remember(acknowledged.auth_req_id)
  return acknowledged
}

/** A client asks for its tokens. */
export function askForResult(
  server: TestServer,
  { auth_req_id }: Pick<Acknowledgement, 'auth_req_id'>,
  client: StoryClient = bank,
  headers: Readonly<Record<string, string>> = {},
): Promise<Page> {
  return post(server, '/token', client, { grant_type: cibaGrant, auth_req_id }, headers)
}

const ofAlice = { username: alice.email, password: alice.password }

/** Opens the account page, signing in if needed. */
export async function openAccount(
  server: TestServer,
  agent: UserAgent,
  { username, password }: Credentials = ofAlice,
): Promise<Page> {
  const page = await agent.follow(await agent.get(`${server.issuer}/account`))
  if (page.root.querySelector('#login-form') === null) return page
  return agent.follow(await agent.submit(page, { fields: { username, password } }))
}

/** Links to the pending requests on an account page. */
export function requestsOn(page: Page): string[] {
  return page.root
    .querySelectorAll('#requests a.kt-request')
    .map((link) => new URL(link.getAttribute('href') ?? '', page.url).href)
}

/** Opens the request that came last, from the account page. */
export async function openRequest(
  server: TestServer,
  agent: UserAgent = createUserAgent(),
  who: Credentials = ofAlice,
): Promise<Page> {
  const link = requestsOn(await openAccount(server, agent, who)).at(-1)
  if (link === undefined) throw new Error('no pending request')
  return agent.get(link)
}

/** Alice answers the request that came last. */
export async function answerRequest(
  server: TestServer,
  button: '#allow' | '#deny' = '#allow',
  agent: UserAgent = createUserAgent(),
  who: Credentials = ofAlice,
): Promise<UserAgent> {
  const last = await agent.submit(await openRequest(server, agent, who), { button })
  expect(outcomeOf(last)).to.equal(button === '#allow' ? 'allowed' : 'denied')
  return agent
}

/** The outcome on the last page: `allowed`, `denied`, `over`; undefined for another page. */
export function outcomeOf(page: Page): string | undefined {
  return page.root.querySelector('#request-outcome')?.getAttribute('data-outcome')
}
