import { AsyncLocalStorage } from 'node:async_hooks'

/** The origin of work: a request, or a command of an operator; empty for background work. */
export interface Origin {
  /** As in the header of the response and in the log lines. */
  requestId?: string | undefined
  /** The caller's address, as determined by the edge. */
  ip?: string | undefined
  /** The `User-Agent` of the caller (`userAgentIn`), which the caller can choose freely. */
  userAgent?: string | undefined
  /** The name of the command. */
  command?: string | undefined
  /** The caller of the admin API, and the role that permits the request. */
  operator?: { kind: 'account' | 'client'; id: string; role: string } | undefined
  /** Collects the types of the audit events written, if present. */
  events?: string[] | undefined
}

const context = new AsyncLocalStorage<Origin>()

/** Runs `work` with this origin: everything it records gets it. */
export function withOrigin<T>(origin: Origin, work: () => T): T {
  return context.run(origin, work)
}

/** Empty outside of requests and commands. */
export function currentOrigin(): Origin {
  return context.getStore() ?? {}
}

/** The stored part of `User-Agent`; undefined if it is absent. */
export const userAgentIn = (header: string | undefined): string | undefined =>
  header?.slice(0, 256) || undefined
