import { z } from 'zod'
import { DomainError, type DomainErrorCode } from '../errors.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import type { Origin } from '../origin.ts'
import type { Actor } from '../revocation/revocation.ts'
import { type Permission, permissions } from '../roles/role.ts'
import type { Caller } from './caller.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

type Operator = Origin['operator']

/** A request that was let in: who asks for what, checked against the schemas of its route. */
export interface Call<Query = unknown, Body = unknown> {
  core: Capabilities
  /** The path as it came. */
  address: string
  /** Of the path; the default one where the path names none. */
  tenant: string
  /** The other parts of the path, decoded. */
  params: Record<string, string>
  query: Query
  body: Body
  caller: Caller
  /** As revocations and their audit events want it. */
  actor: Actor
  /** The same for every other event: who calls, and the role that permits it. */
  operator: Operator
  /** What `If-Match` was compared with; held until the transaction ends. */
  current: object | undefined
}

/** What a route does and says. It is all there is: the OpenAPI document and the tests are made from it. */
export interface RouteSpec<Query, Body, Ready> {
  method: Method
  /** Below `/admin/v1`; `{name}` is one segment. `{tenant}` is where the caller's role must reach. */
  path: string
  /** What the caller must be permitted; `public` for what needs no token. */
  permission: Permission | 'public'
  /** Any reach will do; what is shown is filtered by it. */
  anywhere?: true
  summary: string
  query?: z.ZodType<Query>
  body?: z.ZodType<Body>
  /** Absent where the answer has no body. */
  response?: z.ZodType
  /** Of success; 200 unless said otherwise, 204 without `response`. */
  status?: 201
  /**
   * What the object looks like now; its digest is the ETag, which a PUT, PATCH or DELETE must name.
   * @param lock whether who changes it waits until the transaction of this context ends
   */
  current?(call: Call<Query, Body>, lock: boolean): Promise<object | undefined>
  /** What may take long, before the transaction begins: hashes, documents of others. */
  prepare?(call: Call<Query, Body>): Promise<Ready>
  /** For what is more than one transaction; it can be repeated without harm. */
  ownTransactions?: true
  /** @returns the body of the answer */
  handle(call: Call<Query, Body>, ready: Ready): Promise<object | undefined>
}

// What a handler gets has passed the schemas of its own route, which the table of all routes does not know.
export type Route = RouteSpec<never, never, never>

/**
 * Declares a route.
 * @throws Error when it has no permission that there is: the process does not start
 */
export function route<Query = undefined, Body = undefined, Ready = undefined>(
  spec: RouteSpec<Query, Body, Ready>,
): Route {
  const name = `${spec.method} ${spec.path}`
  if (spec.permission !== 'public' && !permissions.includes(spec.permission)) {
    throw new Error(`route ${name} declares no permission`)
  }
  const changes = spec.method === 'PUT' || spec.method === 'PATCH' || spec.method === 'DELETE'
  if (changes && !spec.current) throw new Error(`route ${name} does not say what If-Match is about`)
  return spec as unknown as Route
}

/** What an address names. @throws DomainError `code` when there is none */
export function existing<Item>(
  found: Item | undefined,
  { params }: Pick<Call, 'params'>,
  code: DomainErrorCode = 'not_found',
): Item {
  if (found !== undefined) return found
  throw new DomainError(code, { detail: { ...params } })
}

/** How a page of a list is asked for. */
export const paging = {
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('How many at most'),
  cursor: z.string().max(1000).optional().describe('`next_cursor` of the page before'),
}

/** `true` or `false` in a query. */
export const queryFlag = z.enum(['true', 'false']).transform((text) => text === 'true')

/** A time as answers say it (RFC 3339). */
export const timestamp = z.iso.datetime()
/** Of a time in a query. @returns milliseconds since the epoch */
export const momentOf = (time: string | undefined) =>
  time === undefined ? undefined : Date.parse(time)
