import { now } from './clock.ts'

/** A completely read answer. */
export interface Answer {
  status: number
  headers: Headers
  body: Uint8Array
}

/** Requests to the issuer: with a timeout, a size limit, and without following redirects. */
export interface Requests {
  /** @throws Error when there is no answer in time, or it is too large */
  ask(url: string, init: RequestInit, bound: { timeout: number; largest: number }): Promise<Answer>
  /** The same for an endless answer. The caller aborts it by the signal in `init`. */
  open(url: string, init: RequestInit): Promise<Response>
  /** Number of requests sent. */
  count(): number
}

/** The part of `fetch` that is used. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>

export function createRequests(fetch: Fetch): Requests {
  let sent = 0

  async function open(url: string, init: RequestInit): Promise<Response> {
    assertSafe(url)
    sent++
    return fetch(url, { ...init, redirect: 'manual' })
  }

  return {
    async ask(url, init, { timeout, largest }) {
      const late = AbortSignal.timeout(timeout)
      const signal = init.signal ? AbortSignal.any([init.signal, late]) : late
      const response = await open(url, { ...init, signal })
      const body = await read(response, largest)
      return { status: response.status, headers: response.headers, body }
    },
    open,
    count: () => sent,
  }
}

async function read(response: Response, largest: number): Promise<Uint8Array> {
  if (!response.body) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = response.body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.length
    if (size > largest) {
      await reader.cancel()
      throw new Error(`${response.url} answered with more than ${largest} bytes`)
    }
    chunks.push(value)
  }
  const all = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}

/**
 * Requires https for keys and tokens; plain http is allowed only to this machine.
 * @throws TypeError
 */
export function assertSafe(url: string): void {
  const { protocol, hostname } = new URL(url)
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
  if (protocol === 'https:' || (protocol === 'http:' && isLoopback)) return
  throw new TypeError(`expected an https URL, got ${url}`)
}

/** The JSON object in an answer. @throws Error that names what was received instead */
export function jsonIn({ status, body }: Answer, from: string): Record<string, unknown> {
  if (status !== 200) throw new Error(`${from} answered ${status}${reasonIn(body)}`)
  const value: unknown = JSON.parse(new TextDecoder().decode(body))
  if (typeof value !== 'object' || value === null) throw new Error(`${from}: expected an object`)
  return value as Record<string, unknown>
}

/** The error in an answer (RFC 6749 §5.2), with the id by which the issuer can explain it; empty when there is none. */
function reasonIn(body: Uint8Array): string {
  try {
    const said = JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>
    const words = ['error', 'error_description', 'error_id']
      .map((name) => said[name])
      .filter((value) => typeof value === 'string')
      .join(', ')
    // For the log: printable ASCII only, truncated.
    return words && `: ${words.replace(/[^ -~]/g, '?').slice(0, 300)}`
  } catch {
    return ''
  }
}

/**
 * When to renew a token: shortly before it expires; in seconds since the epoch.
 * @param lifetime `expires_in`, in seconds
 */
export function renewalOf(lifetime: unknown): number {
  return now() + (typeof lifetime === 'number' && lifetime > 0 ? lifetime * 0.9 : 60)
}
