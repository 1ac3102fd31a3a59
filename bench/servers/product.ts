import { defaultTenant } from '../../src/tenants/tenant.ts'
import { freshStorage, type StorageKind } from '../../test/support/boot.ts'
import { openNode } from '../../test/support/cores.ts'
import { startNode } from '../../test/support/node-process.ts'
import { createUserAgent } from '../../test/support/user-agent.ts'
import { authorizationUrl } from '../load/messages.ts'
import {
  asked,
  introspector,
  machine,
  password,
  people,
  resourceServers,
  web,
  webClient,
} from './scenario.ts'
import { endpointsAt, type Server } from './server.ts'

const settings = {
  NODE_ENV: 'production',
  // As in production; only that everybody has one address is not.
  LOG_LEVEL: 'info',
  RATE_LIMITS: 'off',
  // Everybody signs in from many devices.
  MAX_FAMILIES: '10000',
}

/** Storage with everything that the scenario has, as environment variables. */
export async function furnishedStorage(
  kind: StorageKind,
  more: Record<string, string> = {},
): Promise<Record<string, string>> {
  const env = { ...(await freshStorage(kind)), ...settings, ...more }
  const core = await openNode(env)
  await core.firstStart()
  for (const server of Object.values(resourceServers)) {
    await core.resources.declare(defaultTenant, server)
  }
  for (const client of [web, machine, introspector]) {
    await core.clients.declare(defaultTenant, client)
  }
  // Hashed once for all.
  const [first, ...others] = people
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
  await core.close()
  return env
}

/** Our server on such storage, people signed in. */
export async function startProduct(env: Record<string, string>): Promise<Server> {
  const node = await startNode({ env })
  const endpoints = endpointsAt(node.url)
  let cookies: Promise<string[]> | undefined
  async function signIn(email: string): Promise<string> {
    const agent = createUserAgent()
    for (const fields of Object.values(asked)) {
      const start = authorizationUrl({ endpoints, client: webClient, fields })
      await agent.walk(start, { username: email, password })
    }
    return agent.jar.getCookieString(endpoints.authorization)
  }
  /** One after another: hashes of all at once would keep stores waiting on a small machine. */
  async function signInAll(): Promise<string[]> {
    const all: string[] = []
    for (const { email } of people) all.push(await signIn(email))
    return all
  }
  return {
    name: 'keyturn',
    endpoints,
    pid: node.pid,
    web: webClient,
    people: () => people.map(({ email }) => JSON.stringify({ username: email, password })),
    cookies: () => (cookies ??= signInAll()),
    stop: async () => void (await node.stop()),
  }
}
