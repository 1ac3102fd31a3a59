import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import type { Database } from '../../src/storage/database.ts'
import type { TestServer } from '../support/boot.ts'
import { eventually } from '../support/eventually.ts'
import { alice, api, machine, web } from '../support/fixtures.ts'
import { watchHoldUps } from '../support/hold-ups.ts'
import { exchange } from '../support/http-exchange.ts'
import { authorizeUrl, basic, type Tokens, tokensFor } from '../support/protocol.ts'
import { services } from '../support/root-hooks.ts'
import type { Services } from '../support/services.ts'
import type { TwoNodes } from '../support/two-nodes.ts'
import { remember } from '../support/witness.ts'

/** One request of the load: when it began (monotonic) and how long it took, both in milliseconds, and the response. */
export interface Answer {
  readonly kind: Kind
  readonly began: number
  readonly took: number
  /** 0 when the connection broke. */
  readonly status: number
  readonly retryAfter: string | null
  readonly body: string
}

export type Kind =
  | 'refresh'
  | 'client_credentials'
  | 'introspection'
  | 'introspection of a revoked token'
  | 'userinfo'
  | 'jwks'
  | 'discovery'
  | 'login'

/** A client with its own family. It retries with its last token until it gets a 200. */
interface Chain {
  /** The tokens it got with a 200, oldest first. */
  readonly acknowledged: string[]
}

export interface Load {
  readonly answers: Answer[]
  /** Lets the requests in flight finish. */
  stop(): Promise<void>
  /** Sends one request of each kind to each node now, beside those of the workers. */
  probe(kinds: readonly Kind[]): Promise<Answer[]>
  /** Answers of these kinds whose requests began within an interval of the monotonic clock. */
  of(kinds: readonly Kind[], from?: number, to?: number): Answer[]
  /** The most milliseconds that this machine delayed requests which wait for no store, or paused. */
  ownDelay(): number
  /** Presents each client's last token and the one before: a replay must give the same successor. */
  expectNothingLost(): Promise<void>
}

/** Milliseconds between two requests of one worker; some 80 requests per second in all. */
const pace = 250

/** Only logins need Redis. */
export const withoutRedis: readonly Kind[] = [
  'refresh',
  'client_credentials',
  'introspection',
  'introspection of a revoked token',
  'userinfo',
  'jwks',
  'discovery',
]

const credentials = { grant_type: 'client_credentials', scope: 'orders:read', resource: api }
const asMachine = { authorization: basic(machine) }

/** The protocol helpers only read the issuer. */
export const serverAt = (issuer: string): TestServer => ({ issuer }) as TestServer

export const asWeb = { authorization: basic(web) }

/** Sends one request; a broken connection counts as an answer with status 0. */
export async function ask(
  kind: Kind,
  url: string | URL,
  form?: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const began = performance.now()
  const page = await exchange({
    method: form ? 'POST' : 'GET',
    url: new URL(url),
    headers: {
      ...(form ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
      ...headers,
    },
    ...(form ? { body: new URLSearchParams(form).toString() } : {}),
  }).catch((error: Error) => error)
  const took = performance.now() - began
  if (page instanceof Error) {
    return { kind, began, took, status: 0, retryAfter: null, body: String(page) }
  }
  const { status, headers: received, body } = page
  return { kind, began, took, status, retryAfter: received.get('retry-after'), body }
}

export const refreshWith = (node: string, refreshToken: string | undefined): Promise<Answer> =>
  ask(
    'refresh',
    `${node}/token`,
    { grant_type: 'refresh_token', refresh_token: refreshToken ?? '' },
    asWeb,
  )

export const introspectOn = (node: string, token: string): Promise<Answer> =>
  ask('introspection', `${node}/introspect`, { token }, asWeb)

export const loginOn = (nodes: TwoNodes, node: string): Promise<Answer> => {
  const { pathname, search } = authorizeUrl(serverAt(nodes.issuer), web)
  return ask('login', node + pathname + search, undefined, { accept: 'application/json' })
}

/** Tokens of a new device. */
export async function newDevice({ issuer }: Pick<TwoNodes, 'issuer'>): Promise<Tokens> {
  const tokens = await tokensFor(serverAt(issuer), web, { scope: 'openid offline_access' })
  remember(tokens.access_token, tokens.refresh_token ?? '', alice.password)
  return tokens
}

/** Sends every kind of request to both nodes until it is stopped. */
export async function startLoad(nodes: TwoNodes): Promise<Load> {
  const answers: Answer[] = []
  const chains: Chain[] = []
  let running = true

  // After an outage, a ready node may answer 503 for up to a second until it has read the revocations.
  const device = () => eventually('a device gets tokens', () => newDevice(nodes))
  const { access_token: live } = await device()
  const { access_token: revoked } = await device()
  const revoke = () => ask('introspection', `${nodes.b.url}/revoke`, { token: revoked }, asWeb)
  await eventually('the token is revoked', async () => (await revoke()).status === 200)
  await eventually('the other node knows the revocation', async () =>
    (await introspectOn(nodes.a.url, revoked)).body.includes('"active":false'),
  )

  async function work(once: () => Promise<Answer>): Promise<void> {
    while (running) {
      answers.push(await once())
      await pause(pace)
    }
  }

  async function startChain(): Promise<Chain> {
    const { refresh_token: first = '' } = await newDevice(nodes)
    const chain = { acknowledged: [first] }
    chains.push(chain)
    return chain
  }

  async function refreshOn(node: string, { acknowledged }: Chain): Promise<Answer> {
    const answer = await refreshWith(node, acknowledged.at(-1))
    if (answer.status === 200) {
      const { refresh_token, access_token } = JSON.parse(answer.body) as Tokens
      remember(access_token, refresh_token ?? '')
      acknowledged.push(refresh_token ?? '')
    }
    return answer
  }

  const requests: Record<Exclude<Kind, 'refresh'>, (url: string) => Promise<Answer>> = {
    client_credentials: (url) => ask('client_credentials', `${url}/token`, credentials, asMachine),
    introspection: (url) => introspectOn(url, live),
    'introspection of a revoked token': async (url) => ({
      ...(await introspectOn(url, revoked)),
      kind: 'introspection of a revoked token',
    }),
    userinfo: (url) =>
      ask('userinfo', `${url}/userinfo`, undefined, { authorization: `Bearer ${live}` }),
    jwks: (url) => ask('jwks', `${url}/jwks`),
    discovery: (url) => ask('discovery', `${url}/.well-known/openid-configuration`),
    login: (url) => loginOn(nodes, url),
  }
  const heldUp = watchHoldUps()
  const workers: Promise<void>[] = []
  const urls = [nodes.a.url, nodes.b.url]
  for (const url of urls) {
    for (const chain of [await startChain(), await startChain()]) {
      workers.push(work(() => refreshOn(url, chain)))
    }
    workers.push(...Object.values(requests).map((request) => work(() => request(url))))
  }
  const { refresh_token: spare } = await newDevice(nodes)

  const of: Load['of'] = (kinds, from = 0, to = Infinity) =>
    answers.filter(({ kind, began }) => kinds.includes(kind) && began >= from && began <= to)

  return {
    answers,
    of,
    ownDelay: () => Math.max(slowest(of(published)), heldUp()),
    async stop() {
      running = false
      await Promise.all(workers)
    },
    probe: (kinds) =>
      Promise.all(
        urls.flatMap((url) =>
          kinds.map((kind) => (kind === 'refresh' ? refreshWith(url, spare) : requests[kind](url))),
        ),
      ),
    async expectNothingLost() {
      for (const { acknowledged } of chains) {
        const [before, last] = acknowledged.slice(-2)
        expect(acknowledged.length, 'rotations').to.be.above(2)
        const replayed = await refreshWith(nodes.b.url, before)
        expect(replayed.status, replayed.body).to.equal(200)
        expect((JSON.parse(replayed.body) as Tokens).refresh_token, 'the same successor').to.equal(
          last,
        )
        const rotated = await refreshWith(nodes.a.url, last)
        expect(rotated.status, rotated.body).to.equal(200)
      }
    },
  }
}

/** Whether a request got what it asked for; a login is redirected to its first page. */
export function succeeded({ kind, status, body }: Answer): boolean {
  switch (kind) {
    case 'login':
      return status === 303 || status === 302
    case 'introspection':
      return status === 200 && body.includes('"active":true')
    case 'introspection of a revoked token':
      return status === 200 && body === '{"active":false}'
    default:
      return status === 200
  }
}

/** The number of answers by status and the first server errors, for a failure message. */
export function summary(answers: readonly Answer[]): string {
  const counts: Record<string, number> = {}
  for (const { kind, status } of answers) {
    const key = `${kind} ${status}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  const slowest = Math.round(Math.max(0, ...answers.map(({ took }) => took)))
  const faults = answers.filter(({ status }) => status >= 500).map(({ body }) => body)
  return [JSON.stringify(counts), `slowest ${slowest} ms`, ...faults.slice(0, 3)].join(', ')
}

export const slowest = (answers: readonly Answer[]): number =>
  Math.max(0, ...answers.map(({ took }) => took))

export function median(answers: readonly Answer[]): number {
  const sorted = answers.map(({ took }) => took).toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}

/** Answered from memory, as fast as this machine is, whichever store is away. */
export const published: readonly Kind[] = ['jwks', 'discovery']

/** Asserts that each is a 503 with Retry-After and the id of a logged error, without internals in the body. */
export async function expectToldToRetry(
  answers: readonly Answer[],
  log: () => string,
): Promise<void> {
  for (const { kind, status, retryAfter, body } of answers) {
    expect(status, `${kind}: ${body}`).to.equal(503)
    expect(retryAfter, 'Retry-After').to.match(/^\d+$/)
    const told = JSON.parse(body) as Record<string, string>
    expect(told['error']).to.equal('temporarily_unavailable')
    expect(Object.keys(told).toSorted()).to.deep.equal(['error', 'error_description', 'error_id'])
    expect(body).not.to.match(/redis|postgres|ioredis|ECONN|timeout|127\.0\.0\.1|select|query|at /i)
    expect(told['error_id']).to.match(/^[\da-f-]{36}$/)
    // The response may arrive before the log line of its process.
    const line = await eventually(`a log line for ${told['error_id']}`, () =>
      log()
        .split('\n')
        .find(
          (each) => each.includes(String(told['error_id'])) && each.includes('"level":"error"'),
        ),
    )
    expect(line).to.match(/Redis|Postgres|deny-list|deny_list/)
  }
}

/** Turns off the ten-second timeout for idle transactions: a test holds a lock for as long as a busy machine takes. */
export const mayIdle = (database: Database) =>
  database.query('set local idle_in_transaction_session_timeout = 0')

/** The number of node connections that wait for a locked row. */
export async function waitingForRows(): Promise<number> {
  const rows = await (services() as Services).admin(
    `select 1 from pg_stat_activity where application_name = 'keyturn' and wait_event_type = 'Lock'`,
  )
  return rows.length
}
