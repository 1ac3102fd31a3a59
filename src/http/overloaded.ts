import { randomUUID } from 'node:crypto'
import { type ServerResponse, STATUS_CODES } from 'node:http'
import { domainErrors } from '../errors.ts'

/** The answer to what is refused, in the two ways in which it leaves. */
export interface Refusal {
  /** @param isLast says that the connection ends where the process does */
  write(response: ServerResponse, id: string, isLast: boolean): void
  /** Head and body, for a connection that is kept. Without a date, which one that is not 2xx, 3xx or 4xx need not have. */
  whole(id: string): string
}

/**
 * The answer to what is refused for want of places. Where several are refused for each that is answered, what it costs is
 * taken from the others: all but the id is made once, and it leaves in one piece.
 * @param headers that every answer has
 * @param keptFor seconds that an idle connection is kept
 */
export function createRefusal(headers: Record<string, string>, keptFor: number): Refusal {
  const [status, error, sentence] = domainErrors.overloaded
  // JSON that ends with an id, which needs no escapes.
  const body = JSON.stringify({ error, error_description: sentence, error_id: '' }).slice(0, -2)
  const end = '"}'
  const named = {
    ...headers,
    'Retry-After': '2',
    'Content-Type': 'application/json',
    // Without it the answer is written in chunks, several pieces instead of one.
    'Content-Length': String(Buffer.byteLength(body + end) + randomUUID().length),
  }
  const fields = Object.entries(named).flat()
  const last = [...fields, 'Connection', 'close']
  const kept = { ...named, Connection: 'keep-alive', 'Keep-Alive': `timeout=${keptFor}` }
  const lines = Object.entries(kept).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n`
  const start = head + body
  return {
    write(response, id, isLast) {
      response.writeHead(status, isLast ? last : fields).end(body + id + end)
    },
    whole: (id) => start + id + end,
  }
}
