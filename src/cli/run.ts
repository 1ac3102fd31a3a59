import type { Config } from '../../config/config.ts'
import { loadConfig } from '../../config/load.ts'
import { faultLine, faultsOf } from '../faults.ts'
import { createLog, type Log } from '../log.ts'
import { type Arguments, type Io, UsageError } from './command.ts'
import { type CommandName, loadCommand } from './commands.ts'
import { printPages } from './pages.ts'
import { printParts } from './parts.ts'
import { perform } from './perform.ts'
import { adoptClockOffset } from './process-clock.ts'

/**
 * Runs one operator command from its arguments to its output.
 * @returns the exit code
 * @throws UsageError, DomainError
 */
export async function runCommand(name: CommandName, args: Arguments, io: Io): Promise<number> {
  const command = await loadCommand(name)
  const config = loadConfig(io.env)
  await adoptClockOffset(config)
  const input = await command.prepare(args, io)
  const faults = faultsOf(command.input, input)
  if (faults.length > 0) throw new UsageError(faults.map(faultLine).join('; '))
  const surroundings = { config, log: commandLog(config, io) }
  const { list, printer } = command
  if (printer) {
    await printParts(
      { name, print: printer(args.options['json'] === true) },
      { input, io, ...surroundings },
    )
    return 0
  }
  if (list !== undefined) {
    const which = { input: input as object, args, io, ...surroundings }
    return (await printPages({ name, command, list }, which)) ? 1 : 0
  }
  const tell = async (part: unknown) => io.err(command.progress?.(part) ?? '')
  const result = await perform(name, input, surroundings, command.progress && tell)
  await io.out(args.options['json'] ? JSON.stringify(result, null, 2) : command.render(result))
  return command.failed?.(result) ? 1 : 0
}

/** Standard output is reserved for the result; log lines appear only at debug or trace level. */
export function commandLog({ logLevel }: Config, io: Io): Log {
  const level = logLevel === 'debug' || logLevel === 'trace' ? logLevel : 'silent'
  return createLog({ level, destination: { write: (line) => io.err(line.trimEnd()) } })
}
