import { chmod, lstat, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { DomainError, isDomainError } from '../errors.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { withOrigin } from '../origin.ts'
import { isTransient } from '../storage/violations.ts'
import type { Emit } from './command.ts'
import { isCommandName, loadCommand } from './commands.ts'
import {
  type ControlAnswer,
  type ControlError,
  type ControlPart,
  type ControlRequest,
  linesOf,
  longestRequest,
  withSocketAddress,
} from './control-socket.ts'
import { describeFailure } from './failure.ts'

/** Milliseconds a caller may take to send its request. */
const patience = 10_000

/**
 * Executes operator commands on this machine while the server owns the storage. Access to the socket makes an operator:
 * only the server's user has it (mode 0600).
 * @param socketPath in the data folder, whose lock the caller holds; a socket left by a dead server is replaced
 * @param signEvery milliseconds between two signs of life during a command
 * @throws DomainError `config_invalid` when something else has that name
 */
export async function serveControl(
  core: Capabilities,
  socketPath: string,
  { signEvery = 10_000 }: { signEvery?: number } = {},
): Promise<{ close(): Promise<void> }> {
  const idle = new Set<Socket>()
  const busy = new Set<Promise<void>>()
  const server = createServer((socket) => {
    idle.add(socket)
    socket.on('close', () => idle.delete(socket))
    // If the caller disconnects, its command completes and the answer is dropped. A command with parts only reads, and
    // ends there.
    socket.on('error', () => undefined)
    const work = converse(socket, core, signEvery, () => idle.delete(socket)).finally(() =>
      busy.delete(work),
    )
    busy.add(work)
  })
  await removeStale(socketPath)
  await withSocketAddress(socketPath, (address) => listen(server, address))
  await chmod(socketPath, 0o600)
  server.unref()

  return {
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of idle) socket.destroy()
      await Promise.all(busy)
      await closed
      await rm(socketPath, { force: true })
    },
  }
}

async function converse(
  socket: Socket,
  core: Capabilities,
  signEvery: number,
  begin: () => void,
): Promise<void> {
  socket.setTimeout(patience, () => socket.destroy())
  const line = await firstLine(socket).catch((error: unknown) =>
    isDomainError(error) ? error : undefined,
  )
  if (line === undefined) return void socket.destroy()
  if (typeof line === 'string') {
    begin()
    socket.setTimeout(0)
  }
  const answer =
    typeof line === 'string'
      ? await withSigns(socket, signEvery, () =>
          answerTo(line, core, (part) => send(socket, { part })),
        )
      : { error: onWire(line) }
  if (socket.destroyed) return
  await new Promise<void>((resolve) => {
    socket.once('close', () => resolve())
    socket.end(`${JSON.stringify(answer)}\n`)
    // Unread input would keep the other side from reading the answer, and hide its end.
    socket.resume()
    socket.setTimeout(patience)
  })
}

/** Sends signs of life to a caller that has read everything sent before. */
async function withSigns<T>(socket: Socket, every: number, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {
    if (socket.writableLength === 0) socket.write('\n')
  }, every)
  try {
    return await work()
  } finally {
    clearInterval(timer)
  }
}

async function firstLine(socket: Socket): Promise<string | undefined> {
  for await (const line of linesOf(socket, longestRequest)) return line
  return undefined
}

/**
 * Sends a message and waits for the socket to drain: what a caller does not read is held in memory.
 * @throws DomainError `internal` when the caller is gone or does not read
 */
async function send(socket: Socket, message: ControlPart): Promise<void> {
  if (socket.destroyed || socket.write(`${JSON.stringify(message)}\n`)) return assertThere(socket)
  socket.setTimeout(patience)
  await new Promise<void>((resolve) => {
    function go() {
      socket.off('drain', go).off('close', go)
      resolve()
    }
    socket.on('drain', go).on('close', go)
  })
  socket.setTimeout(0)
  assertThere(socket)
}

function assertThere({ destroyed }: Socket): void {
  if (destroyed) throw new DomainError('internal', { detail: 'The caller has disconnected.' })
}

async function answerTo(line: string, core: Capabilities, emit: Emit): Promise<ControlAnswer> {
  try {
    return { result: (await execute(line, core, emit)) ?? null }
  } catch (error) {
    if (isDomainError(error)) return { error: onWire(error) }
    core.log.error({ err: error }, 'an operator command failed')
    return { error: onWire(knownAs(error)) }
  }
}

/** Converts an unexpected error, with its reason where that helps the caller. */
function knownAs(error: unknown): DomainError {
  return isTransient(error)
    ? new DomainError('storage_unavailable', { detail: describeFailure(error) })
    : new DomainError('internal', {
        detail: 'The command failed; see the log of the server.',
      })
}

const onWire = ({ code, publicMessage, detail }: DomainError): ControlError => ({
  code,
  message: publicMessage,
  detail,
})

async function execute(line: string, core: Capabilities, emit: Emit): Promise<unknown> {
  const { command: name, input } = JSON.parse(line) as ControlRequest
  if (!isCommandName(name)) throw strange(`it does not know the command ${JSON.stringify(name)}`)
  const command = await loadCommand(name)
  const parsed = command.input.safeParse(input)
  if (!parsed.success) throw strange(`it expects other input for ${name}`)
  const result = await withOrigin({ command: name }, () => command.execute(core, parsed.data, emit))
  core.log.info({ command: name }, 'an operator command was executed')
  return result
}

function strange(reason: string): DomainError {
  return new DomainError('internal', {
    detail: `The running server has a different version than this command: ${reason}. Restart it.`,
  })
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined)
  if (!found) return
  if (!found.isSocket()) {
    throw new DomainError('config_invalid', {
      detail: `${path} is not a socket: move it elsewhere, or choose another DATA_DIR.`,
    })
  }
  await rm(path, { force: true })
}

function listen(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // The socket file appears within this call; others must not be able to open it even for a moment.
    const mask = process.umask(0o177)
    try {
      server.listen(address, () => {
        server.off('error', reject)
        resolve()
      })
    } finally {
      process.umask(mask)
    }
  })
}
