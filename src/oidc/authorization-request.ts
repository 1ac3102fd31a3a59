import type { KoaContextWithOIDC } from 'oidc-provider'
import Provider from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { Grant } from '../grants/grant.ts'
import type { IssuerContext } from './capabilities.ts'

/** An account and its grant to a client: read in one statement, once for an authorization request. */
export interface Person {
  account: Account
  clientId: string
  grant: Grant | undefined
}

const people = new WeakMap<object, Person>()

/** The routes on which the engine asks for an account and then for its grant. */
const routes: ReadonlySet<string | undefined> = new Set([
  'authorization',
  'resume',
  'device_resume',
  'userinfo',
])

/** The client that an authorization request names, before the engine has read it. */
export function namedClient(): string | undefined {
  const { ctx } = Provider
  const id = ctx?.oidc?.route === 'authorization' ? ctx.query['client_id'] : undefined
  return typeof id === 'string' ? id : undefined
}

/** Keeps a person that another statement has read as well. */
export function rememberPerson(person: Person): void {
  if (Provider.ctx) people.set(Provider.ctx, person)
}

/** @returns undefined if this request has not read that person */
export function rememberedPerson(accountId: string, clientId: string): Person | undefined {
  const person = Provider.ctx && people.get(Provider.ctx)
  return person?.account.id === accountId && person.clientId === clientId ? person : undefined
}

/** The grant of this id, if it was read in this request. */
export function rememberedGrant(id: string): Grant | undefined {
  const grant = Provider.ctx && people.get(Provider.ctx)?.grant
  return grant?.id === id ? grant : undefined
}

/** The account that a request on one of `routes` is about, read together with its grant; undefined for all others. */
export async function personOf(
  { tenant, grants }: IssuerContext,
  { oidc }: KoaContextWithOIDC,
  accountId: string,
): Promise<Person | 'nobody' | undefined> {
  const clientId = oidc.client?.clientId
  if (clientId === undefined || !routes.has(oidc.route)) return undefined
  const known = rememberedPerson(accountId, clientId)
  if (known) return known
  const found = await grants.withOwner(tenant, accountId, clientId)
  if (!found) return 'nobody'
  const person = { ...found, clientId }
  rememberPerson(person)
  return person
}
