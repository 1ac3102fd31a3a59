import type { Command as Program } from 'commander'
import type { Arguments } from './command.ts'
import type { CommandName } from './commands.ts'

export type Name = CommandName | 'serve' | 'doctor' | 'passwords compile' | 'audit export'
export type Start = (name: Name, args: Arguments) => Promise<void>

/** A command without commands below it; the last word of its name is what is typed behind the words of `parent`. */
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
