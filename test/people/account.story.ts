import type { TestServer } from '../support/boot.ts'
import { alice } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

/** User-Agent headers. */
export const browsers = {
  firefox: 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0',
  safari: 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Mobile Safari/604.1',
} as const

export interface Person {
  email: string
  password: string
}

let people = 0

/** Creates an account for one test. */
export async function somebody(server: TestServer): Promise<Person> {
  const email = `person${people++}@example.com`
  const { password } = alice
  await server.core.accounts.create('default', { email, password, name: 'Some Body' })
  return { email, password }
}

export const accountOf = async ({ core }: TestServer, { email }: Person) => {
  const account = await core.accounts.byIdentifier('default', email)
  if (!account) throw new Error(`no account ${email}`)
  return account
}

/** Opens a page of the account, and signs in if the sign-in form comes first. */
export async function open(
  { issuer }: TestServer,
  path: string,
  { email: username, password }: Person,
  agent: UserAgent,
): Promise<Page> {
  const page = await agent.follow(await agent.get(`${issuer}${path}`))
  if (page.root.querySelector('form')?.id !== 'login-form') return page
  return agent.follow(await agent.submit(page, { fields: { username, password } }))
}

/** A browser in which the person is signed in. */
export async function signedIn(
  server: TestServer,
  person: Person,
  called: keyof typeof browsers = 'firefox',
): Promise<UserAgent> {
  const agent = createUserAgent({ called: browsers[called] })
  await open(server, '/account', person, agent)
  return agent
}

/** Presses the button of the form whose action matches. */
export function press(agent: UserAgent, page: Page, action: RegExp): Promise<Page> {
  const form = page.root
    .querySelectorAll('form')
    .find((one) => action.test(one.getAttribute('action') ?? ''))
  if (!form) throw new Error(`no form to ${action} on ${page.url.pathname}`)
  const csrf = form.querySelector('[name=csrf]')?.getAttribute('value') ?? ''
  return agent.post(new URL(form.getAttribute('action') ?? '', page.url), { csrf })
}
