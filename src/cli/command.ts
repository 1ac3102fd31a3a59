import type { z } from 'zod'
import type { Capabilities } from '../oidc/capabilities.ts'

/** What surrounds a command; tests bring their own. */
export interface Io {
  env: NodeJS.ProcessEnv
  /** Everything on standard input, until its end. */
  stdin(): Promise<string>
  /** Writes lines to standard output; whoever has more than memory should hold awaits what it returns. */
  out(text: string): unknown
  /** Writes lines to standard error. */
  err(text: string): void
}

/** The command line of one command, as parsed. */
export interface Arguments {
  operands: string[]
  options: Record<string, unknown>
}

/**
 * Takes a part of a result that is too large to be held as a whole; the next one waits for it, so that no more than one is
 * anywhere.
 */
export type Emit = (part: unknown) => Promise<void>

/** For results that come as a whole. */
export const noParts: Emit = () => Promise.reject(new Error('nobody takes parts of a result'))

/** Makes the output of the parts of a result as they come; all of it together is whole lines. */
export interface PartPrinter {
  part(part: unknown): string
  /** What comes after the last one. */
  end(): string
}

/** The command line is wrong; the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/**
 * One operator command. It has two halves, because embedded storage belongs to one process and that may be the
 * running server: the first runs in the process of the caller (files, standard input, environment), the second in
 * the process that owns the storage; only JSON passes between them.
 */
export interface Command<Input = unknown, Result = unknown> {
  /** What the first half hands to the second. */
  readonly input: z.ZodType<Input>
  /** Works on a database that still lacks migrations. */
  readonly beforeMigrations?: true
  /**
   * The member of its result that is a list, of which every execution has a page: `next` of one is `after` in the input
   * of the following. All are printed. Every other member is a list, too, of which there is little.
   */
  readonly list?: string
  /** @throws UsageError, or DomainError for files that are not valid */
  prepare(args: Arguments, io: Io): Promise<Input> | Input
  /** @throws DomainError */
  execute(core: Capabilities, input: Input, emit?: Emit): Promise<Result>
  /** For people. `--json` prints the result itself. */
  render(result: Result): string
  /** For a command whose result is what it emits: it is printed by this, once all parts are there. */
  readonly printer?: (json: boolean) => PartPrinter
  /** For a command that works for long, and emits how far it is: a line for standard error. */
  progress?(part: unknown): string
  /** Whether the result, although complete, is bad news (exit code 1). */
  failed?(result: Result): boolean
}

/** A string option that has a default or was checked by the parser. */
export function textOption(args: Arguments, name: string): string {
  return String(args.options[name])
}

/** A string option that may be absent. */
export function optionalText(args: Arguments, name: string): string | undefined {
  const value = args.options[name]
  return typeof value === 'string' ? value : undefined
}
