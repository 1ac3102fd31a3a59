import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Identity } from './certificates.ts'
import { callback } from './fixtures.ts'

type Answer = (response: ServerResponse) => void

/** A host on this machine that publishes client metadata documents. */
export interface DocumentHost {
  origin: string
  /** Number of requests by path. */
  asked: Map<string, number>
  /** Publishes a public client's document. @returns its URL: the `client_id` */
  publish(path: string, members?: object, headers?: Record<string, string>): string
  /** Sets another answer for a path. @returns its URL */
  answer(path: string, answer: Answer): string
  stop(): void
}

/** @param identity for https; callers must trust it */
export async function startDocumentHost(identity?: Identity): Promise<DocumentHost> {
  const answers = new Map<string, Answer>()
  const asked = new Map<string, number>()
  const listener: RequestListener = (request, response) => {
    const path = request.url ?? '/'
    asked.set(path, (asked.get(path) ?? 0) + 1)
    const answer = answers.get(path)
    if (answer) answer(response)
    else response.writeHead(404).end()
  }
  const server = identity ? createHttpsServer(identity, listener) : createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `${identity ? 'https' : 'http'}://localhost:${(server.address() as AddressInfo).port}`
  return {
    origin,
    asked,
    publish(path, members = {}, headers = {}) {
      const client_id = `${origin}${path}`
      const document = {
        client_id,
        client_name: 'A travelling tool',
        redirect_uris: [callback],
        grant_types: ['authorization_code', 'refresh_token'],
        token_endpoint_auth_method: 'none',
        ...members,
      }
      answers.set(path, (response: ServerResponse) => {
        response.writeHead(200, { 'content-type': 'application/json', ...headers })
        response.end(JSON.stringify(document))
      })
      return client_id
    },
    answer(path, answer) {
      answers.set(path, answer)
      return `${origin}${path}`
    },
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
