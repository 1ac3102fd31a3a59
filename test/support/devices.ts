import { deviceCodeGrant } from '../../src/clients/client.ts'
import type { TestServer } from './boot.ts'
import { alice, tv } from './fixtures.ts'
import type { Page } from './http-exchange.ts'
import { type Fields, post, type StoryClient } from './protocol.ts'
import { type Credentials, createUserAgent, type UserAgent } from './user-agent.ts'

/** The device authorization response (RFC 8628 §3.2). */
export interface DeviceAuthorization {
  device_code: string
  user_code: string
  verification_uri: string
  verification_uri_complete: string
  expires_in: number
  interval: number
}

/** A device asks for a code. */
export async function startDevice(
  server: TestServer,
  fields: Fields = { scope: 'openid offline_access' },
  client: StoryClient = tv,
): Promise<DeviceAuthorization> {
  const page = await post(server, '/device_authorization', client, fields)
  if (page.status !== 200) throw new Error(`no device code (${page.status}): ${page.body}`)
  return page.json() as DeviceAuthorization
}

/** A device asks for its tokens. */
export function askFor(
  server: TestServer,
  { device_code }: Pick<DeviceAuthorization, 'device_code'>,
  client: StoryClient = tv,
  headers: Readonly<Record<string, string>> = {},
): Promise<Page> {
  return post(server, '/token', client, { grant_type: deviceCodeGrant, device_code }, headers)
}

/** A person types a code into the form: the page after it. */
export async function enterCode(
  server: TestServer,
  agent: UserAgent,
  user_code: string,
): Promise<Page> {
  const form = await agent.get(`${server.issuer}/device`)
  return agent.follow(await agent.submit(form, { fields: { user_code } }))
}

/** Submits every step unchanged, signing in if needed, until no form is left. @returns the last page */
export async function finishSteps(
  agent: UserAgent,
  start: Page,
  { username, password }: Credentials = { username: alice.email, password: alice.password },
): Promise<Page> {
  let page = await agent.follow(start)
  for (let step = 0; step < 10 && page.root.querySelector('form') !== null; step += 1) {
    const asksPassword = page.root.querySelector('form input[name=password]') !== null
    page = await agent.follow(
      await agent.submit(page, { fields: asksPassword ? { username, password } : {} }),
    )
  }
  return page
}

/** The outcome on the last page: `allowed`, `denied`, `over`; undefined for another page. */
export function outcomeOf(page: Page): string | undefined {
  return page.root.querySelector('#device-outcome')?.getAttribute('data-outcome')
}

/** Alice enters a code and goes through with it. */
export async function allowDevice(
  server: TestServer,
  { user_code }: Pick<DeviceAuthorization, 'user_code'>,
  agent: UserAgent = createUserAgent(),
): Promise<UserAgent> {
  const last = await finishSteps(agent, await enterCode(server, agent, user_code))
  if (outcomeOf(last) !== 'allowed') {
    throw new Error(
      `not allowed (${last.status}) at ${last.url.href}:\n${last.root.structuredText}`,
    )
  }
  return agent
}

/** Signs out the user of a browser, there only. */
export async function signOut(server: TestServer, agent: UserAgent): Promise<void> {
  await agent.follow(await agent.submit(await agent.get(`${server.issuer}/account`)))
}
