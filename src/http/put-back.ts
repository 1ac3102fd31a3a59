import type { IncomingMessage } from 'node:http'

/**
 * Puts back a body that was read, or the fault that it has, for whoever reads it next: by `iterator`, as everybody does
 * here.
 */
export function putBack(request: IncomingMessage, body: Buffer | Error): void {
  // A stream that has ended says that it cannot be read, and readers look elsewhere then.
  Object.defineProperty(request, 'readable', { value: true, configurable: true })
  request.iterator = async function* again() {
    if (body instanceof Error) throw body
    yield body
  } as IncomingMessage['iterator']
}
