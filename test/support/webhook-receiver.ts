import { createHmac } from 'node:crypto'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** A receiver of webhooks (Standard Webhooks 1.0). */
export interface WebhookReceiver {
  readonly url: string
  /** Verified deliveries, in order. */
  readonly received: readonly Delivered[]
  /** Ids of everything that came, refused or not. */
  readonly ids: readonly string[]
  /** From now on the handler answers; `undefined` lets the receiver answer again. */
  answerWith(handler: ((response: ServerResponse) => void) | undefined): void
  stop(): Promise<void>
}

export interface Delivered {
  id: string
  type: string
  timestamp: string
  data: Record<string, unknown>
}

/** Verifies each delivery as a receiver should: signature, age. */
export async function startWebhookReceiver(secret: string): Promise<WebhookReceiver> {
  const received: Delivered[] = []
  const ids: string[] = []
  let handler: ((response: ServerResponse) => void) | undefined

  function isOurs(headers: IncomingHttpHeaders, body: string): boolean {
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
    const signedText = `${String(headers['webhook-id'])}.${String(headers['webhook-timestamp'])}.${body}`
    const expected = `v1,${createHmac('sha256', key).update(signedText).digest('base64')}`
    const age = Math.abs(Date.now() / 1000 - Number(headers['webhook-timestamp']))
    return headers['webhook-signature'] === expected && age < 300
  }

  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const id = String(request.headers['webhook-id'])
      ids.push(id)
      if (handler) return handler(response)
      if (!isOurs(request.headers, body)) return response.writeHead(401).end()
      received.push({ id, ...(JSON.parse(body) as Omit<Delivered, 'id'>) })
      return response.writeHead(204).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/events`,
    received,
    ids,
    answerWith: (next) => void (handler = next),
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
