import type { z } from 'zod'
import type { Capabilities } from '../oidc/capabilities.ts'

/** The environment of a command; tests provide their own. */
export interface Io {
  env: NodeJS.ProcessEnv
  /** Everything on standard input, until its end. */
  stdin(): Promise<string>
  /** Writes lines to standard output; callers with large output must await the result. */
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
 * Receives a part of a result that is too large for memory. The next part waits for it, so that only one is held at a
 * time.
 */
export type Emit = (part: unknown) => Promise<void>

/** For results that are not split into parts. */
export const noParts: Emit = () =>
  Promise.reject(new Error('this result cannot be split into parts'))

/** Formats the parts of a result as they come; the whole output ends with a complete line. */
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
 * An operator command. It has two halves, because embedded storage belongs to one process, which may be the running
 * server: `prepare` runs in the caller's process (files, standard input, environment), `execute` in the process that
 * owns the storage. Only JSON passes between them.
 */
export interface Command<Input = unknown, Result = unknown> {
  /** The output of `prepare` and input of `execute`. */
  readonly input: z.ZodType<Input>
  /** Works on a database that still lacks migrations. */
  readonly beforeMigrations?: true
  /**
   * The list member of its result, of which each execution returns a page: `next` of a page is `after` in the next
   * input. All pages are printed. Every other member is a small list, too.
   */
  readonly list?: string
  /** @throws UsageError, or DomainError for files that are not valid */
  prepare(args: Arguments, io: Io): Promise<Input> | Input
  /** @throws DomainError */
  execute(core: Capabilities, input: Input, emit?: Emit): Promise<Result>
  /** For people. `--json` prints the result itself. */
  render(result: Result): string
  /** For a command whose result is what it emits: formats it, once all parts are there. */
  readonly printer?: (json: boolean) => PartPrinter
  /** For a slow command that emits its progress: a line for standard error. */
  progress?(part: unknown): string
  /** Whether the complete result reports a problem (exit code 1). */
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
