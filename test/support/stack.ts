import Provider from 'oidc-provider'
import { currentOrigin } from '../../src/origin.ts'
import { headersOf, shapeOfLine } from './answer-shapes.ts'
import type { TestServer } from './boot.ts'
import { exchange, type Page } from './http-exchange.ts'
import { samplesOf, scrape } from './prometheus.ts'
import { basic, encode, type Fields, type StoryClient } from './protocol.ts'

/** A form as it is sent to an address below the issuer, by an authenticated client or not; or what has no body. */
export interface Form {
  /** `POST` when absent. */
  method?: string
  path: string
  body: string
  headers?: Readonly<Record<string, string>>
}

const type = 'application/x-www-form-urlencoded'

/** A request to the token endpoint; the client authenticates the way it is registered for. */
export function tokenForm(fields: Fields, client: StoryClient): Form {
  const { client_id, client_secret, token_endpoint_auth_method: method } = client
  const inBody = method === 'client_secret_post' ? { client_id, client_secret } : {}
  return {
    path: '/token',
    body: encode({ ...fields, ...inBody }),
    headers: method === 'client_secret_post' ? {} : { authorization: basic(client) },
  }
}

/** Sends a form; whatever its headers say goes before what is usual. */
export const sendForm = (
  server: TestServer,
  { method = 'POST', path, body, headers = {} }: Form,
): Promise<Page> =>
  exchange({
    method,
    url: new URL(server.issuer + path),
    headers: { ...(body === '' ? {} : { 'content-type': type }), ...headers },
    body,
    identity: server.identity,
  })

/** The same for the engine's stack alone: no plain request has a parameter of its type. */
export function throughStack({ headers = {}, ...form }: Form): Form {
  const given = headers['content-type'] ?? type
  return { ...form, headers: { ...headers, 'content-type': `${given}; stack=1` } }
}

/** Counts how often the engine's stack looks for a client, which it does for every request of one. */
export async function stackLookUps<T>(
  { core }: TestServer,
  work: () => Promise<T>,
): Promise<{ result: T; lookUps: number }> {
  const { clientDocuments } = core
  const { settle } = clientDocuments
  let lookUps = 0
  clientDocuments.settle = (...given) => {
    // Ahead of it the engine is asked once for each version of a client, in no request of its own.
    if (Provider.ctx) lookUps++
    return settle(...given)
  }
  try {
    return { result: await work(), lookUps }
  } finally {
    clientDocuments.settle = settle
  }
}

/** What Postgres is asked by a request about what may have ended, when it is sent a second time. */
export async function statementsOfTruth(server: TestServer, form: Form): Promise<string[]> {
  const { database } = server.core
  const { query } = database
  const statements: Array<{ sql: string; requestId: string | undefined }> = []
  await sendForm(server, form)
  database.query = (sql, parameters) => {
    statements.push({ sql, requestId: currentOrigin().requestId })
    return query(sql, parameters)
  }
  const page = await sendForm(server, form).finally(() => {
    database.query = query
  })
  if (page.status !== 200) throw new Error(`${form.path} answered ${page.status}: ${page.body}`)
  // The server works for itself meanwhile.
  const own = statements.filter(({ requestId }) => requestId === page.headers.get('request-id'))
  const truth = /single_use|families|refresh_tokens|grants|sessions|accounts/
  return own.map(({ sql }) => sql).filter((sql) => truth.test(sql))
}

async function figuresNow(metricsPort: string): Promise<Map<string, number>> {
  const own = /^keyturn_(tokens_issued|requests_refused|http_requests_total)/
  const samples = samplesOf(await scrape(metricsPort)).filter(({ name }) => own.test(name))
  return new Map(samples.map(({ name, labels, value }) => [name + JSON.stringify(labels), value]))
}

/**
 * Sends a form: whatever can be seen of it from outside, but for what is of one request alone; what the body says is the
 * caller's to compare.
 */
export async function watched(server: TestServer, metricsPort: string, form: Form) {
  const counts = { ...server.core.counters.read() }
  const figures = await figuresNow(metricsPort)
  const logged = server.logged().length
  const { result: page, lookUps } = await stackLookUps(server, () => sendForm(server, form))
  // How many refusals are kept of one kind depends on when they come.
  const counted = Object.entries(server.core.counters.read()).filter(
    ([name, count]) => name !== 'refusal_not_kept' && counts[name as keyof typeof counts] !== count,
  )
  const measured = [...(await figuresNow(metricsPort))].flatMap(([name, value]) => {
    const by = value - (figures.get(name) ?? 0)
    return by === 0 ? [] : [`${name} ${by}`]
  })
  const id = page.headers.get('request-id') ?? ''
  if (!/^[\da-f-]{36}$/.test(id)) throw new Error(`no id of a request: ${JSON.stringify(id)}`)
  const lines = server.logged().slice(logged).split('\n')
  const seen = {
    ...{ status: page.status, headers: headersOf(page) },
    ...{ counted: counted.map(([name]) => name), measured },
    lines: lines.filter((line) => line.includes(id)).map(shapeOfLine),
  }
  return { page, seen, lookUps }
}
