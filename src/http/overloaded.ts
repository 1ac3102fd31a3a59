import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { domainErrors } from '../errors.ts'

/**
 * The answer to requests refused for overload. Several may be refused for each one served, at the cost of those served;
 * so all but the id is prepared once, and it is sent in one write.
 * @param headers that every answer has
 * @returns answers a response; with `isLast`, as the process ends, it also closes the connection
 */
export function createRefusal(
  headers: Record<string, string>,
): (response: ServerResponse, id: string, isLast: boolean) => void {
  const [status, error, sentence] = domainErrors.overloaded
  // JSON that ends with the id, which needs no escaping.
  const body = JSON.stringify({ error, error_description: sentence, error_id: '' }).slice(0, -2)
  const end = '"}'
  const fields = Object.entries({
    ...headers,
    'Retry-After': '2',
    'Content-Type': 'application/json',
    // Without it the answer would be chunked: several writes instead of one.
    'Content-Length': String(Buffer.byteLength(body + end) + randomUUID().length),
  }).flat()
  const last = [...fields, 'Connection', 'close']
  return (response, id, isLast) => {
    response.writeHead(status, isLast ? last : fields).end(body + id + end)
  }
}
