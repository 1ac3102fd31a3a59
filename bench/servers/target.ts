import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { LoadClient } from '../load/plan.ts'
import { UsageError } from '../suite/usage.ts'
import { type ParameterSet, parameters } from './scenario.ts'
import type { Server, Supply } from './server.ts'

const client = z.strictObject({
  client_id: z.string(),
  client_secret: z.string(),
  redirect_uri: z.string().optional(),
})
const list = z.array(z.string()).min(1).optional()
/** Timeout of discovery, in milliseconds. */
const patience = 10_000
const sets = Object.keys(parameters) as [ParameterSet, ...ParameterSet[]]

/** The description of an OpenID server in a file. Cases that need a missing member are skipped. */
const description = z.strictObject({
  name: z.string().optional(),
  issuer: z.url(),
  /** Of its first process, if it runs on this machine: for processor time. */
  pid: z.int().optional(),
  clients: z.strictObject({
    web: client.optional(),
    machine: client.optional(),
    introspector: client.optional(),
  }),
  /** Request parameters (`scope`, `resource` and the like), by their names in the scenario. */
  parameters: z.partialRecord(z.enum(sets), z.record(z.string(), z.string())),
  /** `Cookie` headers of browsers in which a user is signed in and has consented to everything for `web`. */
  cookies: list,
  refresh_tokens: list,
  access_tokens: list,
  people: z.array(z.strictObject({ username: z.string(), password: z.string() })).optional(),
})

type Description = z.infer<typeof description>

/** @throws UsageError with the file name and what is wrong in it */
async function describedIn(file: string): Promise<Description> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new UsageError(`--target: expected an issuer (https://…) or a file, got ${error.message}`)
  })
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new UsageError(`--target: expected JSON in ${file}`)
  }
  return checked(file, value)
}

function checked(where: string, value: unknown): Description {
  const read = description.safeParse(value)
  if (read.success) return read.data
  const faults = read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  throw new UsageError(`--target ${where}: ${faults.join('; ')}`)
}

/** One client in all roles, with the same parameters in all requests. */
function describedBy(
  issuer: string,
  about: Record<string, string | string[] | undefined>,
): Description {
  const { client_id, client_secret, redirect_uri, scope, resource, pid, ...given } = about
  const known = (members: object) =>
    Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
  const one = known({ client_id, client_secret, redirect_uri })
  return checked(issuer, {
    ...known({ ...given, issuer, pid: pid === undefined ? undefined : Number(pid) }),
    clients: client_id === undefined ? {} : { web: one, machine: one, introspector: one },
    parameters: Object.fromEntries(sets.map((set) => [set, known({ scope, resource })])),
  })
}

const member: Partial<Record<Supply, 'cookies' | 'refresh_tokens' | 'access_tokens'>> = {
  cookies: 'cookies',
  refresh_token: 'refresh_tokens',
  access_token: 'access_tokens',
}

/** @throws UsageError if the document is missing or not JSON */
async function discovered(url: string): Promise<Record<string, string | undefined>> {
  const refused = (came: string | number) =>
    new UsageError(`--target: expected the discovery document at ${url}, got ${came}`)
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(patience) })
    if (!answer.ok) throw refused(answer.status)
    return (await answer.json()) as Record<string, string | undefined>
  } catch (error) {
    if (error instanceof UsageError) throw error
    const { message, cause } = error as Error & { cause?: Error & { code?: string } }
    throw refused(cause?.code ?? cause?.message ?? message)
  }
}

/**
 * Any other OpenID server.
 * @param target its issuer, or a file that describes it
 * @param about for an issuer: client metadata, request parameters, tokens
 * @throws UsageError if the description is wrong, or discovery does not respond
 */
export async function openTarget(
  target: string,
  about: Record<string, string | string[] | undefined>,
): Promise<Server> {
  const described = /^https?:\/\//.test(target)
    ? describedBy(target, about)
    : await describedIn(target)
  const discovery = `${described.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const published = await discovered(discovery)
  const kept = new Map<Supply, string[]>()
  return {
    name: described.name ?? new URL(described.issuer).host,
    endpoints: {
      issuer: described.issuer,
      discovery,
      authorization: published['authorization_endpoint'] ?? '',
      token: published['token_endpoint'] ?? '',
      introspection: published['introspection_endpoint'] ?? '',
      userinfo: published['userinfo_endpoint'] ?? '',
      jwks: published['jwks_uri'] ?? '',
    },
    ...(described.pid === undefined ? {} : { pid: described.pid }),
    client: (role) => described.clients[role] as LoadClient | undefined,
    parameters: (set) => described.parameters[set],
    async given(supply) {
      const people = described.people?.map((person) => JSON.stringify(person))
      if (supply === 'people') return people
      const name = member[supply]
      return kept.get(supply) ?? (name && described[name])
    },
    // A refresh token can be used once, and a cookie may have changed.
    keep: (supply, stock) => void kept.set(supply, stock),
    stop: () => Promise.resolve(),
  }
}
