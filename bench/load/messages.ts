import { createHash } from 'node:crypto'
import { type Answer, fieldsOf } from './connection.ts'
import type { Endpoints, Plan } from './plan.ts'

export type Ask = (request: string) => Promise<Answer>

/** What takes the place of an item when its story has ended. */
export interface Ending {
  next?: string
  yielded?: string
}

/** One story with one item. @throws Fault if a response is wrong */
export type Story = (ask: Ask, item: string) => Promise<Ending>

/** A response that does not count. */
export class Fault extends Error {}

/** RFC 7636; the same for all requests. */
export const verifier = 'the-verifier-of-all-requests-that-the-load-makes'

export const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString()

export function get(url: string, headers: Record<string, string> = {}): string {
  const { host, pathname, search } = new URL(url)
  const lines = Object.entries({ Host: host, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  return `GET ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n`
}

/** A POST request up to the value of its `Content-Length`. */
export function postTo(url: string, headers: Record<string, string>): (body: string) => string {
  const { host, pathname, search } = new URL(url)
  const all = { Host: host, 'Content-Type': 'application/x-www-form-urlencoded', ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `POST ${pathname}${search} HTTP/1.1\r\n${lines.join('')}Content-Length: `
  return (body) => `${head}${body.length}\r\n\r\n${body}`
}

/** RFC 6749 §2.3.1. */
export function authorization({ client }: Plan): Record<string, string> {
  const pair = [client.client_id, client.client_secret].map(encodeURIComponent).join(':')
  return { Authorization: `Basic ${Buffer.from(pair).toString('base64')}` }
}

export function json(answer: Answer, status = 200): Record<string, unknown> {
  if (answer.status !== status) {
    throw new Fault(`${answer.status} ${/"error": *"(\w+)"/.exec(answer.body)?.[1] ?? ''}`.trim())
  }
  return JSON.parse(answer.body) as Record<string, unknown>
}

/** A token response with all required members. @throws Fault if one is missing or unexpected */
export function tokens(answer: Answer, { expects, yields }: Plan): Record<string, string> {
  const body = json(answer) as Record<string, string>
  for (const name of ['access_token', ...(expects?.present ?? [])]) {
    if (!body[name]) throw new Fault(`no ${name}`)
  }
  for (const name of expects?.absent ?? []) if (body[name]) throw new Fault(`${name} came`)
  if (yields !== undefined && !body[yields]) throw new Fault(`no ${yields}`)
  return body
}

export const yieldOf = (
  body: Record<string, string>,
  { yields }: Plan,
): Pick<Ending, 'yielded'> => {
  const yielded = yields === undefined ? undefined : body[yields]
  return yielded === undefined ? {} : { yielded }
}

/** The URL of an authorization request. */
export function authorizationUrl({
  endpoints,
  client,
  fields,
}: Pick<Plan, 'client' | 'fields'> & { endpoints: Pick<Endpoints, 'authorization'> }): string {
  const url = new URL(endpoints.authorization)
  const all = {
    client_id: client.client_id,
    redirect_uri: client.redirect_uri ?? '',
    response_type: 'code',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    state: 'the-state',
    ...fields,
  }
  for (const [name, value] of Object.entries(all)) url.searchParams.set(name, value)
  return url.href
}

/** The code in the redirect to the client (RFC 6749 §4.1.2). @throws Fault if there is none */
export function codeIn(answer: Answer): string {
  const [location = ''] = fieldsOf(answer, 'location')
  const code = /[?&]code=([^&]+)/.exec(location)?.[1]
  if (code === undefined) {
    throw new Fault(
      `${answer.status} without a code ${/[?&]error=([^&]+)/.exec(location)?.[1] ?? ''}`,
    )
  }
  return decodeURIComponent(code)
}

/** The `Cookie` header after a response that may set cookies. */
export function withCookies(cookie: string, answer: Answer): string {
  const jar = new Map<string, string>()
  for (const pair of cookie.split('; ').filter(Boolean)) jar.set(pair.split('=', 1)[0] ?? '', pair)
  for (const line of fieldsOf(answer, 'set-cookie')) {
    const [pair = ''] = line.split(';', 1)
    const [name = ''] = pair.split('=', 1)
    if (/expires=Thu, 01 Jan 1970|max-age=0/i.test(line)) jar.delete(name)
    else jar.set(name, pair)
  }
  return [...jar.values()].join('; ')
}
