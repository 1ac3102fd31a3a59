import type { KoaContextWithOIDC } from 'oidc-provider'
import Provider from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { Grant } from '../grants/grant.ts'
import type { IssuerContext } from './capabilities.ts'

/** A person, and what they have allowed a client: read in one statement, once for an authorization request. */
export interface Person {
  account: Account
  clientId: string
  grant: Grant | undefined
}

const people = new WeakMap<object, Person>()

/** Where the engine asks for a person and then for their grant. */
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

/** For what was read beside something else. */
export function rememberPerson(person: Person): void {
  if (Provider.ctx) people.set(Provider.ctx, person)
}

/** @returns undefined for what was not read in this request */
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
