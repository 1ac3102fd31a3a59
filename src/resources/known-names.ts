import { nearest } from '../../config/distance.ts'
import type { ClientMetadata } from '../clients/client.ts'
import { DomainError } from '../errors.ts'

/** Names that clients of a tenant may use in `scope` and `resources`. */
export interface KnownNames {
  scopes: ReadonlySet<string>
  resources: ReadonlySet<string>
}

/** The names that a client uses. */
export type Naming = Pick<Partial<ClientMetadata>, 'scope' | 'resources'>

/** Most names in one message. */
const mostShown = 20
/** Most faults with a suggestion: each is compared with all known names. */
const mostHints = 50

/**
 * Finds unknown names in clients of a tenant: typos, which would otherwise surface much later as `invalid_scope` or
 * `invalid_target`. Each name is looked up once, however many clients use it.
 * @returns a function from a client to its faults, with suggestions
 */
export function createNameCheck({ scopes, resources }: KnownNames): (client: Naming) => string[] {
  const [allScopes, allResources] = [list(scopes), list(resources)]
  const scopeFaults = new Map<string, string>()
  const resourceFaults = new Map<string, string>()

  function hint(name: string, known: ReadonlySet<string>): string {
    const isFew = scopeFaults.size + resourceFaults.size < mostHints
    const meant = isFew ? nearest(name, known) : undefined
    return meant === undefined ? '' : ` (${meant}?)`
  }

  function scopeFault(name: string): string {
    // Separators are allowed within names; between names they are a mistake.
    const parts = name.split(/[,;]/)
    if (parts.length > 1 && parts.some((part) => scopes.has(part))) {
      return `scope: expected names separated by single spaces (RFC 6749 §3.3), got ${JSON.stringify(name)}`
    }
    return `scope: no resource server has the scope ${name}${hint(name, scopes)}: declare it in a resource server first; known scopes: ${allScopes}`
  }

  const resourceFault = (id: string) =>
    `resources: there is no resource server ${id}${hint(id, resources)}: declare it first, in the same file or before; known resource servers: ${allResources}`

  return (client) => {
    const unknown = namesIn(client.scope).filter((name) => !scopes.has(name))
    const gone = (client.resources ?? []).filter((id) => !resources.has(id))
    return [
      ...unknown.map((name) => once(scopeFaults, name, scopeFault)),
      ...gone.map((id) => once(resourceFaults, id, resourceFault)),
    ]
  }
}

/**
 * The names that a client newly uses. Stored ones may stay, as their resource server may have been deleted since.
 * @returns undefined when there is none
 */
export function newNames(client: Naming, before: Naming = {}): Naming | undefined {
  const [hadScopes, hadResources] = [new Set(namesIn(before.scope)), new Set(before.resources)]
  const names = namesIn(client.scope).filter((name) => !hadScopes.has(name))
  const resources = (client.resources ?? []).filter((id) => !hadResources.has(id))
  if (names.length === 0 && resources.length === 0) return undefined
  return { ...(names.length === 0 ? {} : { scope: names.join(' ') }), resources }
}

/** @throws DomainError `client_invalid` listing the unknown names */
export async function assertNamesKnown(
  { resources }: { resources: { knownNames(tenant: string): Promise<KnownNames> } },
  tenant: string,
  { client_id, ...client }: Naming & { client_id: string },
  before?: Naming,
): Promise<void> {
  const named = newNames(client, before)
  if (!named) return
  const faults = createNameCheck(await resources.knownNames(tenant))(named)
  if (faults.length > 0) throw new DomainError('client_invalid', { detail: { client_id, faults } })
}

const namesIn = (scope: string | undefined) => scope?.split(' ') ?? []

function once(told: Map<string, string>, name: string, tell: (name: string) => string): string {
  const fault = told.get(name) ?? tell(name)
  told.set(name, fault)
  return fault
}

function list(names: ReadonlySet<string>): string {
  const more = names.size - mostShown
  return [...names].slice(0, mostShown).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
