import { routes } from '../../src/oidc/routes.ts'
import type { Endpoints, LoadClient } from '../load/plan.ts'
import { processorTimeOfTree } from '../processor.ts'
import type { ParameterSet, Role } from './scenario.ts'

/** What a story is about, one each (`Plan.stock`). */
export type Supply = 'cookies' | 'people' | 'codes' | 'refresh_token' | 'access_token'

/** A server that is measured, in processes of its own. */
export interface Server {
  name: string
  endpoints: Endpoints
  /** Of its first process; absent where it runs elsewhere. */
  pid?: number
  /** Undefined where it has none, and the cases that need it are left out. */
  client(role: Role): LoadClient | undefined
  parameters(set: ParameterSet): Record<string, string> | undefined
  /**
   * What is there without asking it as a client would: `cookies` of browsers that somebody is signed in with who has
   * allowed the client everything, `people` as `{ "username", "password" }`.
   */
  given(supply: Supply): Promise<string[] | undefined>
  /** What is left of it after a block. */
  keep?(supply: Supply, stock: string[]): void
  stop(): Promise<void>
}

/** Of a server that has the addresses of ours. */
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

/** Seconds of processor time that all its processes have used; undefined where nobody can say. */
export function processorOf({ pid }: Server): number | undefined {
  return pid === undefined ? undefined : processorTimeOfTree(pid)
}
