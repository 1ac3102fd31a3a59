import type { IncomingMessage } from 'node:http'

/**
 * Reads a body to its end, and puts it back for the next reader, which uses `iterator` as all readers here do. If the
 * body does not end properly, the next reader gets its error.
 * @param length as announced, which the HTTP parser enforces
 * @returns undefined when the body did not end properly
 */
export async function readBody(
  request: IncomingMessage,
  length: number,
): Promise<Buffer | undefined> {
  // As in the stack, a body is not read once the connection is closed, even if all of it is here.
  const isHere = request.complete && !request.destroyed
  const body = isHere ? (request.read() as Buffer | null) : await arrived(request)
  if (body instanceof Error) putBack(request, body)
  else if (body?.length === length) putBack(request, body)
  else putBack(request, new Error('the body does not have the length of Content-Length'))
  return body instanceof Buffer ? body : undefined
}

async function arrived(request: IncomingMessage): Promise<Buffer | Error> {
  const gone = new Error('the client disconnected')
  // No more events follow.
  if (request.destroyed) return gone
  const { promise, resolve } = Promise.withResolvers<Buffer | Error>()
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.once('end', () => resolve(Buffer.concat(chunks)))
  request.once('error', resolve)
  request.once('close', () => resolve(gone))
  return promise
}

/** An ended stream says that it is not readable, and readers then look elsewhere: so override that. */
function putBack(request: IncomingMessage, body: Buffer | Error): void {
  Object.defineProperty(request, 'readable', { value: true, configurable: true })
  request.iterator = async function* again() {
    if (body instanceof Error) throw body
    yield body
  } as IncomingMessage['iterator']
}
