import type { Core } from '../../src/core.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage, type StorageKind } from '../../test/support/boot.ts'
import { openNode } from '../../test/support/cores.ts'
import { eventually } from '../../test/support/eventually.ts'
import { freePort } from '../../test/support/free-port.ts'
import { startNode } from '../../test/support/node-process.ts'
import { createUserAgent } from '../../test/support/user-agent.ts'
import { authorizationUrl } from '../load/messages.ts'
import {
  asked,
  clients,
  introspector,
  machine,
  parameters,
  password,
  people,
  resourceServers,
  web,
} from './scenario.ts'
import { endpointsAt, type Server } from './server.ts'

const settings = {
  NODE_ENV: 'production',
  // As in production, except for the rate limits: all clients have the same address.
  LOG_LEVEL: 'info',
  RATE_LIMITS: 'off',
  // Every user signs in from many devices.
  MAX_FAMILIES: '10000',
}

/** Storage with the clients, resource servers and users of the scenario. */
export interface Storage {
  env: Record<string, string>
  /** Cookies of users who have signed in; valid at every server on this storage. */
  cookies: string[]
}

export async function furnishedStorage(kind: StorageKind): Promise<Storage> {
  return furnish(await freshStorage(kind))
}

/** Furnishes existing storage, with or without tables; may be repeated. @param where its environment */
export async function furnish(
  where: Record<string, string>,
  more: Record<string, string> = {},
): Promise<Storage> {
  // The same for every server on this storage: consent depends on the issuer.
  const PORT = String(await freePort())
  const env = { ...where, ...settings, PORT, ...more }
  const core = await openNode(env)
  await core.firstStart()
  await declareAll(core)
  await core.close()
  return { env, cookies: [] }
}

async function declareAll(core: Core): Promise<void> {
  for (const server of Object.values(resourceServers)) {
    await core.resources.declare(defaultTenant, server)
  }
  for (const client of [web, machine, introspector]) {
    await core.clients.declare(defaultTenant, client)
  }
  // Hash the password once for all users.
  const [first, ...others] = people
  if (await core.accounts.byIdentifier(defaultTenant, first.email)) return
  const { account } = await core.accounts.create(defaultTenant, { ...first, password })
  await core.accounts.declare(defaultTenant, { email: account.email, emailVerified: true })
  const [row] = await core.database.query<{ hash: string }>(
    'select hash from passwords where account_id = $1',
    [account.id],
  )
  for (const person of others) {
    const passwordHash = row?.hash
    await core.accounts.declare(defaultTenant, { ...person, passwordHash, emailVerified: true })
  }
}

/** Our server on this storage. */
export async function startProduct({ env, cookies }: Storage): Promise<Server> {
  const node = await startNode({ env })
  const endpoints = endpointsAt(node.url)
  const { orders, events } = resourceServers
  // Everything that requests will ask for, so that one consent covers it.
  const scopes = new Set(asked.flatMap(({ scope }) => scope.split(' ')))
  const fields = { ...parameters.profile, scope: [...scopes].join(' ') }
  const everything = new URL(authorizationUrl({ endpoints, client: clients.web, fields }))
  for (const resource of [orders.identifier, events.identifier, endpoints.issuer]) {
    everything.searchParams.append('resource', resource)
  }
  async function signIn(email: string): Promise<string> {
    const agent = createUserAgent()
    await agent.walk(everything, { username: email, password })
    return agent.jar.getCookieString(endpoints.authorization)
  }
  return {
    name: 'keyturn',
    endpoints,
    pid: node.pid,
    client: (role) => clients[role],
    parameters: (set) => parameters[set],
    async given(supply) {
      if (supply !== 'cookies' && supply !== 'people') return undefined
      // One at a time: concurrent hashes would delay connections to the stores on a small machine.
      while (cookies.length < people.length) {
        const email = people[cookies.length]?.email ?? ''
        // The first requests after a start may be refused (503).
        cookies.push(await eventually(`a sign-in of ${email}`, () => signIn(email)))
      }
      if (supply === 'cookies') return cookies
      return people.map(({ email }) => JSON.stringify({ username: email, password }))
    },
    stop: async () => void (await node.stop()),
  }
}
