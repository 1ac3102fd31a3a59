import { setTimeout as pause } from 'node:timers/promises'
import type { Config } from '../../config/config.ts'
import { DomainError, isDomainError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { withOrigin } from '../origin.ts'
import type { Command, Emit } from './command.ts'
import { type CommandName, loadCommand } from './commands.ts'
import { askServer } from './control-client.ts'
import { controlSocketOf } from './control-socket.ts'

/** Milliseconds: the longest that a starting or stopping server, or another command, holds the data folder. */
const patience = 15_000

/** What a command is performed with. */
export interface Surroundings {
  config: Config
  log: Log
}

/**
 * Executes a command in the process that owns the storage: this one, or the server running on the same data folder.
 * @throws DomainError what the command throws; `storage_locked` when the folder belongs to a process that accepts no
 *   commands
 */
export function perform(
  name: CommandName,
  input: unknown,
  surroundings: Surroundings,
  emit?: Emit,
): Promise<unknown> {
  return performAll(name, surroundings, (run) => run(input, emit))
}

/**
 * The same for a command that is executed repeatedly in one process, or whose result comes in parts.
 * @param work gets the function that executes the command once. It is called again from the start if its first
 *   execution finds no server, and this process opens the storage itself
 * @throws DomainError likewise; `storage_unavailable` when the server ends in between
 */
export async function performAll<T>(
  name: CommandName,
  { config, log }: Surroundings,
  work: (run: (input: unknown, emit?: Emit) => Promise<unknown>) => Promise<T>,
): Promise<T> {
  const command = await loadCommand(name)
  const socket = controlSocketOf(config)
  const deadline = performance.now() + patience
  for (;;) {
    if (socket) {
      try {
        return await work(asking(socket, name))
      } catch (error) {
        if (!(error instanceof NobodyListens)) throw error
      }
    }
    const own = await openHere(command, config, log).catch((error: unknown) => {
      if (isDomainError(error, 'storage_locked') && performance.now() < deadline) return undefined
      throw error
    })
    if (own) {
      const { core } = own
      try {
        return await work((input, emit) =>
          withOrigin({ command: name }, () => command.execute(core, input, emit)),
        )
      } finally {
        await own.close()
      }
    }
    await pause(100)
  }
}

class NobodyListens extends Error {}

function asking(socket: string, name: CommandName) {
  let answered = false
  return async (input: unknown, emit?: Emit): Promise<unknown> => {
    const answer = await askServer(socket, { command: name, input }, emit)
    if (answer) {
      answered = true
      return answer.result
    }
    if (!answered) throw new NobodyListens()
    throw new DomainError('storage_unavailable', {
      detail: 'The running server stopped before the command had finished; repeat the command.',
    })
  }
}

interface Opened {
  core: Capabilities
  close(): Promise<void>
}

async function openHere(command: Command, config: Config, log: Log): Promise<Opened> {
  if (!command.beforeMigrations) {
    const { openCore } = await import('../core.ts')
    const core = await openCore(config, log, { schema: 'require' })
    return { core, close: () => core.close() }
  }
  const [{ openStorage }, { createClock }, { entities }] = await Promise.all([
    import('../storage/storage.ts'),
    import('../clock.ts'),
    import('../tables.ts'),
  ])
  const storage = await openStorage(config, {
    entities,
    clock: createClock(),
    log,
    schema: 'ignore',
  })
  // Such a command may use only `database` and `config`: nothing else can be built on a missing schema.
  return { core: { ...storage, config } as unknown as Capabilities, close: () => storage.close() }
}
