import { routes } from '../../src/oidc/routes.ts'
import type { Endpoints, LoadClient } from '../load/plan.ts'
import { processorTimeOfTree } from '../processor.ts'

/** A server that is measured, in processes of its own. */
export interface Server {
  name: string
  endpoints: Endpoints
  /** Of its first process; absent where it runs elsewhere. */
  pid?: number
  /** Cookies of browsers that somebody is signed in with, who has allowed the client everything. */
  cookies(): Promise<string[]>
  /** The client that people sign in for. */
  web: LoadClient
  /** `{ "username", "password" }` of people who have allowed it everything. */
  people(): string[]
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
