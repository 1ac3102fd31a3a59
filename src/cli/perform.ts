import { setTimeout as pause } from 'node:timers/promises'
import type { Config } from '../../config/config.ts'
import { isDomainError } from '../errors.ts'
import type { Log } from '../log.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import type { Command } from './command.ts'
import { type CommandName, loadCommand } from './commands.ts'
import { askServer } from './control-client.ts'
import { controlSocketOf } from './control-socket.ts'

/** Milliseconds; a server that starts or stops, or another command, holds the data folder for so long at most. */
const patience = 15_000

/**
 * Executes a command in the process that owns the storage: this one, or the server that runs on the same data folder.
 * @throws DomainError what the command throws; `storage_locked` when a process holds the folder that takes no commands
 */
export async function perform(
  name: CommandName,
  input: unknown,
  { config, log }: { config: Config; log: Log },
): Promise<unknown> {
  const command = await loadCommand(name)
  const socket = controlSocketOf(config)
  const deadline = performance.now() + patience
  for (;;) {
    const answer = socket && (await askServer(socket, { command: name, input }))
    if (answer) return answer.result
    const own = await openHere(command, config, log).catch((error: unknown) => {
      if (isDomainError(error, 'storage_locked') && performance.now() < deadline) return undefined
      throw error
    })
    if (own) {
      try {
        return await command.execute(own.core, input)
      } finally {
        await own.close()
      }
    }
    await pause(100)
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
  // Such a command uses `database` alone: nothing else can be built over a schema that is not there.
  return { core: storage as unknown as Capabilities, close: () => storage.close() }
}
