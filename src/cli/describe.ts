import { InvalidArgumentError, type Command as Program } from 'commander'
import type { Arguments } from './command.ts'
import type { CommandName } from './commands.ts'

export type Name = CommandName | 'serve' | 'doctor' | 'passwords compile' | 'audit export'
export type Start = (name: Name, args: Arguments) => Promise<void>

/** A command without subcommands; the last word of its name follows those of `parent`. */
export function leaf(parent: Program, name: Name, description: string, run: Start): Program {
  return parent
    .command(name.split(' ').at(-1) ?? name)
    .description(description)
    .option('--json', 'print JSON')
    .action((...values: unknown[]) => {
      const command = values.at(-1) as Program
      const operands = command.processedArgs.filter((value) => typeof value === 'string')
      return run(name, { operands, options: command.opts() })
    })
}

export function ofTenant(command: Program): Program {
  return command.option('--tenant <id>', 'which tenant', 'default')
}

/** For an option that may be repeated. */
export const collect = (value: string, earlier: string[] = []): string[] => [...earlier, value]

/** For an option that is an integer. */
export const numberFrom = (least: number, most: number) => (value: string) => {
  const number = Number(value)
  if (/^\d+$/.test(value) && number >= least && number <= most) return number
  throw new InvalidArgumentError(`Expected an integer from ${least} to ${most}.`)
}
