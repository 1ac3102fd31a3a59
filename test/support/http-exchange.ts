import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { type HTMLElement, parse } from 'node-html-parser'

/** An answer, with its page parsed. */
export interface Page {
  /** The requested URL. */
  readonly url: URL
  readonly status: number
  readonly headers: Headers
  readonly body: string
  /** The parsed HTML (of any body). */
  readonly root: HTMLElement
  /** The absolute target of a redirect, `undefined` when the answer is none. */
  readonly location: URL | undefined
  /** The parsed JSON body. */
  json(): unknown
}

/** A request, sent exactly like this. */
export interface Exchange {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** The client certificate to present if asked. */
  readonly identity?: { readonly cert: string; readonly key: string } | undefined
}

const PATIENCE = 30_000

/** Resolves `localhost` without the system's resolver, which costs a thread and file reads per connection. */
const loopback: LookupFunction = (_host, { all }, done) =>
  all ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4)

/** Parses as a browser without scripts: `noscript` is part of the page. */
const withoutScript = { blockTextElements: { script: true, style: true } }

/**
 * Sends one request on a connection of its own and reads the whole answer; redirects are not
 * followed. Not `fetch`, because that overwrites `Sec-Fetch-Mode` (Fetch, section 4.5) and so cannot
 * pass for a navigation.
 *
 * @throws Error when there is no answer within 30 s.
 */
export async function exchange({ method, url, headers, body, identity }: Exchange): Promise<Page> {
  const { promise, resolve, reject } = Promise.withResolvers<Page>()
  const send = url.protocol === 'https:' ? requestHttps : requestHttp
  const signal = AbortSignal.timeout(PATIENCE)
  const request = send(url, {
    method,
    headers: { ...headers },
    agent: false,
    signal,
    ...(url.hostname === 'localhost' ? { lookup: loopback } : {}),
    ...identity,
  })
  request.once('error', reject)
  request.once('response', (response) => {
    const received = new Headers()
    for (const [name, values] of Object.entries(response.headersDistinct)) {
      for (const value of values ?? []) received.append(name, value)
    }
    buffer(response).then(
      (bytes) => resolve(page(url, response.statusCode ?? 0, received, bytes.toString('utf8'))),
      reject,
    )
  })
  request.end(body)
  return promise
}

function page(url: URL, status: number, headers: Headers, body: string): Page {
  const target = status >= 300 && status < 400 ? headers.get('location') : null
  let root: HTMLElement | undefined
  return {
    url,
    status,
    headers,
    body,
    location: target === null ? undefined : new URL(target, url),
    get root() {
      root ??= parse(body, withoutScript)
      return root
    },
    json: () => JSON.parse(body) as unknown,
  }
}
