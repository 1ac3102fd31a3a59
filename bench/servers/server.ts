import { routes } from '../../src/oidc/routes.ts'
import type { Endpoints, LoadClient } from '../load/plan.ts'
import { processorTimeOfTree } from '../processor.ts'
import type { ParameterSet, Role } from './scenario.ts'

/** The kinds of items that stories use (`Plan.stock`). */
export type Supply = 'cookies' | 'people' | 'codes' | 'refresh_token' | 'access_token'

/** A server under measurement, in its own processes. */
export interface Server {
  name: string
  endpoints: Endpoints
  /** Of its first process; absent if it runs on another machine. */
  pid?: number
  /** Undefined if there is none; the cases that need it are skipped. */
  client(role: Role): LoadClient | undefined
  parameters(set: ParameterSet): Record<string, string> | undefined
  /**
   * Items that do not require client requests: `cookies` of browsers in which a user is signed in and has consented to
   * everything, and `people` as `{ "username", "password" }`.
   */
  given(supply: Supply): Promise<string[] | undefined>
  /** Stores what is left of the items after a block. */
  keep?(supply: Supply, stock: string[]): void
  stop(): Promise<void>
}

/** Endpoints of a server with the same paths as ours. */
export function endpointsAt(issuer: string): Endpoints {
  return {
    issuer,
    discovery: `${issuer}/.well-known/openid-configuration`,
    authorization: issuer + routes.authorization,
    token: issuer + routes.token,
    introspection: issuer + routes.introspection,
    userinfo: issuer + routes.userinfo,
    jwks: issuer + routes.jwks,
  }
}

/** Seconds of processor time that all its processes have used; undefined if unknown. */
export function processorOf({ pid }: Server): number | undefined {
  return pid === undefined ? undefined : processorTimeOfTree(pid)
}
