import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { domainErrors } from '../errors.ts'

/**
 * The answer to what is refused for want of places. Where several are refused for each that is answered, what it costs is
 * taken from the others: all but the id is made once, and it leaves in one piece.
 * @param headers that every answer has
 * @returns answers, and says that the connection ends where the process does
 */
export function createRefusal(
  headers: Record<string, string>,
): (response: ServerResponse, id: string, isLast: boolean) => void {
  const [status, error, sentence] = domainErrors.overloaded
  // JSON that ends with an id, which needs no escapes.
  const body = JSON.stringify({ error, error_description: sentence, error_id: '' }).slice(0, -2)
  const end = '"}'
  const fields = Object.entries({
    ...headers,
    'Retry-After': '2',
    'Content-Type': 'application/json',
    // Without it the answer is written in chunks, several pieces instead of one.
    'Content-Length': String(Buffer.byteLength(body + end) + randomUUID().length),
  }).flat()
  const last = [...fields, 'Connection', 'close']
  return (response, id, isLast) => {
    response.writeHead(status, isLast ? last : fields).end(body + id + end)
  }
}
