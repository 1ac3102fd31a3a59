import { expect } from 'chai'
import type { TestServer } from '../support/boot.ts'
import { alice } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import { authorizeUrl, type Fields, type StoryClient } from '../support/protocol.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

/** The account in most tests. */
export const credentials = { username: alice.email, password: alice.password }

/** A browser and the page it is at. */
export interface Visit {
  agent: UserAgent
  page: Page
}

/** Opens an authorization request. @returns the first page, or the redirect to the client */
export async function arrive(
  server: TestServer,
  client: StoryClient,
  fields: Fields = {},
  agent: UserAgent = createUserAgent(),
): Promise<Visit> {
  return { agent, page: await agent.follow(await agent.get(authorizeUrl(server, client, fields))) }
}

/** The same, followed by a sign-in. @returns the page after it */
export async function arriveSignedIn(...story: Parameters<typeof arrive>): Promise<Visit> {
  const { agent, page } = await arrive(...story)
  const next = await agent.follow(await agent.submit(page, { fields: credentials }))
  return { agent, page: next }
}

/** The text of a page, in one line. */
export function textOf(page: Page): string {
  return (page.root.querySelector('main')?.textContent ?? page.body).replace(/\s+/g, ' ').trim()
}

export function headingOf(page: Page): string | undefined {
  return page.root.querySelector('h1')?.textContent
}

/** The message above a form. */
function alertOf(page: Page): string | undefined {
  return page.root.querySelector('[role=alert]')?.textContent.trim()
}

/** Expects the form again, with its status, the reason, and no password filled in (K-10). */
export function expectFormAgain(page: Page, status: number, form: string, reason: RegExp): void {
  expect(page.status, page.body).to.equal(status)
  expect(page.headers.get('content-type')).to.match(/^text\/html/)
  expect(page.root.querySelector('form')?.id).to.equal(form)
  expect(alertOf(page)).to.match(reason)
  for (const field of page.root.querySelectorAll('input[type=password]')) {
    expect(field.hasAttribute('value'), 'no password is echoed').to.equal(false)
  }
}

/** Expects an error page with a heading and a reference. */
export function expectFault(page: Page, status: number, heading: RegExp): void {
  expect(page.status, page.body).to.equal(status)
  expect(page.location, page.location?.href ?? '').to.equal(undefined)
  expect(headingOf(page)).to.match(heading)
  expect(page.root.querySelector('#error-id')?.textContent).to.match(/^[\da-f-]{36}$/)
}
