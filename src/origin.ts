import { AsyncLocalStorage } from 'node:async_hooks'

/** Where work comes from: a request of somebody, or a command of an operator; neither for work of our own accord. */
export interface Origin {
  /** As in the header of the answer and in the lines of the log. */
  requestId?: string | undefined
  /** The caller's address, as the edge found it. */
  ip?: string | undefined
  /** What the caller's program says of itself (`userAgentIn`), made up by the caller. */
  userAgent?: string | undefined
  /** The command, by its name. */
  command?: string | undefined
  /** Who asks through the admin API, and the role that permits it. */
  operator?: { kind: 'account' | 'client'; id: string; role: string } | undefined
  /** Takes the types of the audit events that are written of it, where somebody wants to know. */
  events?: string[] | undefined
}

const context = new AsyncLocalStorage<Origin>()

/** Whatever `work` writes down has come from there. */
export function withOrigin<T>(origin: Origin, work: () => T): T {
  return context.run(origin, work)
}

/** Empty outside of requests and commands. */
export function currentOrigin(): Origin {
  return context.getStore() ?? {}
}

/** What a program says of itself in `User-Agent`, as far as it is kept; absent where it says nothing. */
export const userAgentIn = (header: string | undefined): string | undefined =>
  header?.slice(0, 256) || undefined
