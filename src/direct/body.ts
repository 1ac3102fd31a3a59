import type { IncomingMessage } from 'node:http'

/**
 * Reads a body to its end, and puts it back for whoever reads it next: by `iterator`, as everybody does here. One that
 * does not come to its end is put back with its fault.
 * @param length as announced, which the parser of HTTP holds the sender to
 * @returns undefined when it did not come to its end
 */
export async function readBody(
  request: IncomingMessage,
  length: number,
): Promise<Buffer | undefined> {
  const body = request.complete ? (request.read() as Buffer | null) : await arrived(request)
  if (body instanceof Error) putBack(request, body)
  else if (body?.length === length) putBack(request, body)
  else putBack(request, new Error('the body is not as long as announced'))
  return body instanceof Buffer ? body : undefined
}

async function arrived(request: IncomingMessage): Promise<Buffer | Error> {
  const gone = new Error('the sender has gone')
  // Nothing more is emitted.
  if (request.destroyed) return gone
  const { promise, resolve } = Promise.withResolvers<Buffer | Error>()
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.once('end', () => resolve(Buffer.concat(chunks)))
  request.once('error', resolve)
  request.once('close', () => resolve(gone))
  return promise
}

/** A stream that has ended says that it cannot be read, and readers look elsewhere then. */
function putBack(request: IncomingMessage, body: Buffer | Error): void {
  Object.defineProperty(request, 'readable', { value: true, configurable: true })
  request.iterator = async function* again() {
    if (body instanceof Error) throw body
    yield body
  } as IncomingMessage['iterator']
}
