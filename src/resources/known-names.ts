import { nearest } from '../../config/distance.ts'
import type { ClientMetadata } from '../clients/client.ts'
import { DomainError } from '../errors.ts'

/** What the clients of a tenant can name in `scope` and `resources`. */
export interface KnownNames {
  scopes: readonly string[]
  resources: readonly string[]
}

type Naming = Pick<Partial<ClientMetadata>, 'scope' | 'resources'>

/** Names of one message. */
const mostShown = 20

/**
 * What a client names that there is not: a mistake in writing, which would be told as `invalid_scope` or
 * `invalid_target` of a request, much later.
 * @param before what is stored of it, which may stay: a resource server may have gone since
 * @returns a fault for each, with what there is
 */
export function unknownNames(
  { scope, resources = [] }: Naming,
  known: KnownNames,
  before: Naming = {},
): string[] {
  const wanted = namesIn(scope)
  const unknown = wanted.filter((name) => !known.scopes.includes(name))
  const news = unknown.filter((name) => !namesIn(before.scope).includes(name))
  const gone = resources.filter((id) => !known.resources.includes(id))
  return [
    ...news.map((name) => `scope: ${scopeFault(name, known.scopes)}`),
    ...gone
      .filter((id) => !before.resources?.includes(id))
      .map(
        (id) =>
          `resources: there is no resource server ${id}${hint(id, known.resources)}: declare it first, in the same file or before; there are ${list(known.resources)}`,
      ),
  ]
}

/** @throws DomainError `client_invalid` with these faults */
export async function assertNamesKnown(
  { resources }: { resources: { knownNames(tenant: string): Promise<KnownNames> } },
  tenant: string,
  { client_id, ...client }: Naming & { client_id: string },
  before?: Naming,
): Promise<void> {
  const faults = unknownNames(client, await resources.knownNames(tenant), before)
  if (faults.length > 0) throw new DomainError('client_invalid', { detail: { client_id, faults } })
}

const namesIn = (scope: string | undefined) => scope?.split(' ') ?? []

function scopeFault(name: string, known: readonly string[]): string {
  // They may be in a name; between names they are a mistake.
  const parts = name.split(/[,;]/)
  if (parts.length > 1 && parts.some((part) => known.includes(part))) {
    return `expected names separated by single spaces (RFC 6749 §3.3), got ${JSON.stringify(name)}`
  }
  return `no resource server has the scope ${name}${hint(name, known)}: declare it there first; there are ${list(known)}`
}

function hint(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  return meant === undefined ? '' : ` (${meant}?)`
}

function list(names: readonly string[]): string {
  const more = names.length - mostShown
  return names.slice(0, mostShown).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
