import type { TestServer } from '../support/boot.ts'
import type { Page } from '../support/http-exchange.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'
import { browsers, type Person } from './account.story.ts'

/** A browser that changes networks, as reported by the proxy in front of the server. */
export interface Traveller extends UserAgent {
  moveTo(address: string): void
}

export function traveller(address: string, called: keyof typeof browsers = 'firefox'): Traveller {
  let at = address
  const agent = createUserAgent({
    called: browsers[called],
    through: () => ({ 'x-forwarded-for': at }),
  })
  return Object.assign(agent, { moveTo: (next: string) => void (at = next) })
}

/** Signs out if needed, and signs in again. */
export async function signInAgain(
  { issuer }: TestServer,
  { email: username, password }: Person,
  agent: UserAgent,
): Promise<Page> {
  const page = await agent.follow(await agent.get(`${issuer}/account`))
  const out = page.root.querySelector('#sign-out-form')
  if (out) await agent.follow(await agent.submit(page, { form: '#sign-out-form' }))
  const login = await agent.follow(await agent.get(`${issuer}/account`))
  return agent.follow(await agent.submit(login, { fields: { username, password } }))
}

/** The marks of the sign-ins in the history, latest first. */
export async function marksIn({ issuer }: TestServer, agent: UserAgent): Promise<string[][]> {
  const page = await agent.get(`${issuer}/account/history`)
  return page.root
    .querySelectorAll('#history > li[data-event="account.signed_in"]')
    .map((item) => item.querySelectorAll('.kt-badge').map((mark) => mark.textContent))
}
