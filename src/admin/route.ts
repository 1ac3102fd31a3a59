import { z } from 'zod'
import { DomainError, type DomainErrorCode } from '../errors.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import type { Origin } from '../origin.ts'
import type { Actor } from '../revocation/revocation.ts'
import { type Permission, permissions } from '../roles/role.ts'
import type { Caller } from './caller.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

type Operator = Origin['operator']

/** An authorized request, validated against the schemas of its route. */
export interface Call<Query = unknown, Body = unknown> {
  core: Capabilities
  /** The path as received. */
  address: string
  /** From the path; the default tenant where it names none. */
  tenant: string
  /** The other parts of the path, decoded. */
  params: Record<string, string>
  query: Query
  body: Body
  caller: Caller
  /** The actor for revocations and their audit events. */
  actor: Actor
  /** The actor for all other events: the caller, and the role that permitted the request. */
  operator: Operator
  /** The representation that `If-Match` was compared with; locked until the transaction ends. */
  current: object | undefined
}

/** The definition of a route, from which the OpenAPI document and the tests are generated. */
export interface RouteSpec<Query, Body, Ready> {
  method: Method
  /** Below `/admin/v1`; `{name}` is one segment. The caller's role must reach `{tenant}`. */
  path: string
  /** The required permission; `public` needs no token. */
  permission: Permission | 'public'
  /** Any reach suffices; the result is filtered by it. */
  anywhere?: true
  summary: string
  query?: z.ZodType<Query>
  body?: z.ZodType<Body>
  /** Undefined where the answer has no body. */
  response?: z.ZodType
  /** Status of success; by default 200, or 204 without `response`. */
  status?: 201
  /**
   * The current representation. Its hash is the ETag, which a PUT, PATCH or DELETE must name.
   * @param lock locks it until the transaction of this context ends
   */
  current?(call: Call<Query, Body>, lock: boolean): Promise<object | undefined>
  /** Slow work before the transaction: hashing, fetching documents. */
  prepare?(call: Call<Query, Body>): Promise<Ready>
  /** For work in several transactions; it must be idempotent. */
  ownTransactions?: true
  /** @returns the body of the answer */
  handle(call: Call<Query, Body>, ready: Ready): Promise<object | undefined>
}

// A handler's input has passed the schemas of its own route, whose types the table of all routes does not know.
export type Route = RouteSpec<never, never, never>

/**
 * Declares a route.
 * @throws Error when its permission does not exist: the process does not start
 */
export function route<Query = undefined, Body = undefined, Ready = undefined>(
  spec: RouteSpec<Query, Body, Ready>,
): Route {
  const name = `${spec.method} ${spec.path}`
  if (spec.permission !== 'public' && !permissions.includes(spec.permission)) {
    throw new Error(`route ${name} declares no permission`)
  }
  const changes = spec.method === 'PUT' || spec.method === 'PATCH' || spec.method === 'DELETE'
  if (changes && !spec.current)
    throw new Error(`route ${name} does not declare what If-Match refers to`)
  return spec as unknown as Route
}

/** Returns the object that a path names. @throws DomainError `code` when it does not exist */
export function existing<Item>(
  found: Item | undefined,
  { params }: Pick<Call, 'params'>,
  code: DomainErrorCode = 'not_found',
): Item {
  if (found !== undefined) return found
  throw new DomainError(code, { detail: { ...params } })
}

/** Query parameters of lists. */
export const paging = {
  limit: z.coerce.number().int().min(1).max(200).default(50).describe('Maximum number of items'),
  cursor: z.string().max(1000).optional().describe('`next_cursor` of the previous page'),
}

/** `true` or `false` in a query. */
export const queryFlag = z.enum(['true', 'false']).transform((text) => text === 'true')

/** A time in answers (RFC 3339). */
export const timestamp = z.iso.datetime()
/** Parses a time in a query. @returns milliseconds since the epoch */
export const momentOf = (time: string | undefined) =>
  time === undefined ? undefined : Date.parse(time)
