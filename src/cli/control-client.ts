import { createConnection, type Socket } from 'node:net'
import { DomainError, type DomainErrorCode, domainErrors } from '../errors.ts'
import { present } from '../present.ts'
import { type Emit, noParts } from './command.ts'
import {
  type ControlAnswer,
  type ControlError,
  type ControlPart,
  type ControlRequest,
  linesOf,
  longestRequest,
  tooLong,
  withSocketAddress,
} from './control-socket.ts'

/**
 * Milliseconds of silence before the server is given up. It sends a sign of life every ten seconds, except during one
 * long statement.
 */
const patience = 300_000

/**
 * Executes a command in the running server.
 * @param take receives the parts of its result; an error that it throws ends the command
 * @returns undefined when no server listens
 * @throws DomainError what the command threw there; `internal` when the request is too long; `storage_unavailable` when
 *   the server ends before it answers
 */
export async function askServer(
  socketPath: string,
  request: ControlRequest,
  take: Emit = noParts,
): Promise<{ result: unknown } | undefined> {
  const socket = await withSocketAddress(socketPath, connect)
  if (!socket) return undefined
  let untaken: { error: unknown } | undefined
  try {
    socket.write(`${lineOf(request)}\n`)
    for await (const line of linesOf(socket)) {
      if (line === '') continue
      const said = JSON.parse(line) as ControlAnswer | ControlPart
      if (!('part' in said)) return open(said)
      await take(said.part).catch((error: unknown) => {
        untaken = { error }
        throw error
      })
    }
    throw new Error('the connection was closed')
  } catch (cause) {
    if (untaken) throw untaken.error
    if (cause instanceof DomainError) throw cause
    throw new DomainError('storage_unavailable', {
      detail:
        'The running server stopped before it answered; it is unknown whether the command took effect. ' +
        'Check its log and the result before you repeat the command.',
      cause,
    })
  } finally {
    socket.destroy()
  }
}

function lineOf(request: ControlRequest): string {
  let line: string
  try {
    line = JSON.stringify(request)
  } catch (error) {
    // Longer than a string can be.
    if (error instanceof RangeError) throw tooLong()
    throw error
  }
  if (Buffer.byteLength(line) > longestRequest) throw tooLong()
  return line
}

function connect(address: string): Promise<Socket | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(address)
    socket.once('connect', () => {
      socket.setTimeout(patience, () => socket.destroy(new Error('the server does not answer')))
      resolve(socket)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // No server listens: there is no socket, or a dead server left it behind.
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') return resolve(undefined)
      reject(
        new DomainError('storage_unavailable', {
          detail: `The running server cannot be reached through its socket (${error.code}): run the command as the user of the server.`,
          cause: error,
        }),
      )
    })
  })
}

function open(answer: ControlAnswer): { result: unknown } {
  if ('error' in answer) throw fromWire(answer.error)
  return answer
}

function fromWire({ code, message, detail }: ControlError): DomainError {
  const known = Object.hasOwn(domainErrors, code) ? (code as DomainErrorCode) : 'internal'
  return new DomainError(known, {
    publicMessage: message,
    ...present({ detail }),
  })
}
