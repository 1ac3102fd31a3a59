import { DomainError } from '../errors.ts'
import type { Subject } from '../roles/role.ts'
import { chunksOf } from '../storage/chunks.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import type { Change, Undeclared } from './apply-output.ts'
import { collect, settleChanges, type Work } from './apply-work.ts'
import type { ItemSection } from './stored.ts'

/** The sections of a tenant that a file has, even as an empty list: objects missing from them are deleted. */
export interface Pruned {
  tenant: string
  sections: ItemSection[]
}

/** Items per statement: deleting a client cascades to all tables that refer to it. */
const mostDeleted = 250

const sectionOf = {
  resource_server: 'resource_servers',
  client: 'clients',
  account: 'accounts',
  webhook: 'webhooks',
} as const

/** The sections that a content has for a tenant. */
export function sectionsIn(content: unknown, tenant: string): Pruned[] {
  if (typeof content !== 'object' || content === null) return []
  const members = new Map(Object.entries(content))
  const sections = Object.values(sectionOf).filter((section) => members.has(section))
  const tenants: unknown = members.get('tenants')
  const others = Array.isArray(tenants)
    ? tenants.flatMap((each: { id?: unknown } | null) =>
        sectionsIn(omitTenants(each), String(each?.id)),
      )
    : []
  return [{ tenant, sections }, ...others]
}

function omitTenants(each: unknown): unknown {
  return typeof each === 'object' && each !== null ? { ...each, tenants: undefined } : each
}

/** Whether a file with these sections deletes an object. Tenants, with their keys, are never deleted. */
export function isPruned(pruned: readonly Pruned[], { tenant, kind }: Undeclared): boolean {
  if (kind === 'tenant') return false
  return pruned.some((each) => each.tenant === tenant && each.sections.includes(sectionOf[kind]))
}

/** Deletes objects that the file does not list, after everything else was applied; a protected one is a fault. */
export async function prune(work: Work, items: readonly Undeclared[]): Promise<Change[]> {
  work.begin('deletions', items.length)
  const alike = Map.groupBy(items, ({ tenant, kind }) => JSON.stringify([tenant, kind]))
  for (const some of [...alike.values()].flatMap((each) => [...chunksOf(each, mostDeleted)])) {
    const [{ tenant, kind }] = some as [Undeclared]
    const ids = some.map(({ id }) => id)
    for (const [id, subject] of await remove(work.core, tenant, kind, ids)) {
      await collect(work, `${kind.replace('_', ' ')} ${id}`, async () => {
        if (tenant === defaultTenant) await work.core.roles.assertNotLastOwner(subject)
        throw new DomainError('last_operator', { detail: { [kind]: id } })
      })
    }
    await settleChanges(work.core)
    await work.progress(some.length)
  }
  return items.map((item) => ({ ...item, outcome: 'deleted', members: [] }))
}

/** @returns the protected ones, by id: the last owner, the last operator */
async function remove(
  { accounts, resources, revocations, webhooks }: Work['core'],
  tenant: string,
  kind: Undeclared['kind'],
  ids: string[],
): Promise<Array<[id: string, Subject]>> {
  if (kind === 'client') {
    const gone = await revocations.deleteClients(tenant, ids)
    return ids.flatMap((id) => (gone.has(id) ? [] : [[id, { clientId: id }]]))
  }
  if (kind === 'account') {
    const found = await accounts.lists.named(tenant, ids)
    await revocations.deleteAccounts(
      tenant,
      found.map(({ id }) => id),
    )
    // An item deleted concurrently is fine.
    const kept = await accounts.lists.named(tenant, ids)
    return kept.map(({ id, email }) => [email, { accountId: id }])
  }
  for (const id of ids) {
    if (kind === 'resource_server') await resources.delete(tenant, id)
    if (kind === 'webhook') await webhooks.remove(tenant, id)
  }
  return []
}
