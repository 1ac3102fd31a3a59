import Provider from 'oidc-provider'
import type { TestServer } from './boot.ts'
import { exchange, type Page } from './http-exchange.ts'

/** A form as it is sent to an address below the issuer, by an authenticated client or not. */
export interface Form {
  path: string
  body: string
  headers?: Readonly<Record<string, string>>
}

const type = 'application/x-www-form-urlencoded'

/** Sends a form; whatever its headers say goes before what is usual. */
export const sendForm = (server: TestServer, { path, body, headers = {} }: Form): Promise<Page> =>
  exchange({
    method: 'POST',
    url: new URL(server.issuer + path),
    headers: { 'content-type': type, ...headers },
    body,
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
