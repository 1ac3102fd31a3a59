import Provider from 'oidc-provider'
import { currentOrigin } from '../../src/origin.ts'
import { headersOf, shapeOfLine } from './answer-shapes.ts'
import type { TestServer } from './boot.ts'
import { exchange, type Page } from './http-exchange.ts'
import { samplesOf, scrape } from './prometheus.ts'
import { basic, encode, type Fields, type StoryClient } from './protocol.ts'

/** A request to a path below the issuer, with or without a body. */
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

/** Sends a form; its own headers override the usual ones. */
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

/** The same request, forced through the engine's stack: a plain request never has this media type parameter. */
export function throughStack({ headers = {}, ...form }: Form): Form {
  const given = headers['content-type'] ?? type
  return { ...form, headers: { ...headers, 'content-type': `${given}; stack=1` } }
}

/** Counts client look-ups of the engine's stack, which does one for every request of a client. */
export async function stackLookUps<T>(
  { core }: TestServer,
  work: () => Promise<T>,
): Promise<{ result: T; lookUps: number }> {
  const { clientDocuments } = core
  const { settle } = clientDocuments
  let lookUps = 0
  clientDocuments.settle = (...given) => {
    // The direct path also asks the engine, once per version of a client, but outside of a request.
    if (Provider.ctx) lookUps++
    return settle(...given)
  }
  try {
    return { result: await work(), lookUps }
  } finally {
    clientDocuments.settle = settle
  }
}

/** The statements about validity that a request sends when repeated. */
export async function validityStatements(server: TestServer, form: Form): Promise<string[]> {
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
  // Without statements of the server's background work.
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
 * Sends a form and returns all that is observable from outside, without what differs between identical requests. The
 * caller compares the body.
 */
export async function watched(server: TestServer, metricsPort: string, form: Form) {
  const counts = { ...server.core.counters.read() }
  const figures = await figuresNow(metricsPort)
  const logged = server.logged().length
  const { result: page, lookUps } = await stackLookUps(server, () => sendForm(server, form))
  // The number of stored refusals of a kind depends on timing.
  const counted = Object.entries(server.core.counters.read()).filter(
    ([name, count]) => name !== 'refusal_not_kept' && counts[name as keyof typeof counts] !== count,
  )
  const measured = [...(await figuresNow(metricsPort))].flatMap(([name, value]) => {
    const by = value - (figures.get(name) ?? 0)
    return by === 0 ? [] : [`${name} ${by}`]
  })
  const id = page.headers.get('request-id') ?? ''
  if (!/^[\da-f-]{36}$/.test(id)) throw new Error(`not a request id: ${JSON.stringify(id)}`)
  const lines = server.logged().slice(logged).split('\n')
  const seen = {
    ...{ status: page.status, headers: headersOf(page) },
    ...{ counted: counted.map(([name]) => name), measured },
    lines: lines.filter((line) => line.includes(id)).map(shapeOfLine),
  }
  return { page, seen, lookUps }
}
