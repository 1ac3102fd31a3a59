import { DomainError } from '../errors.ts'
import type { Subject } from '../roles/role.ts'
import { chunksOf } from '../storage/chunks.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import type { Change, Undeclared } from './apply-output.ts'
import { collect, settleChanges, type Work } from './apply-work.ts'
import type { ItemSection } from './stored.ts'

/** Sections of a tenant that a file has, if only as an empty list: what is not in them is not to be there. */
export interface Pruned {
  tenant: string
  sections: ItemSection[]
}

/** Items at a time: with a client goes what refers to it, table by table, in one statement. */
const mostDeleted = 250

const sectionOf = {
  resource_server: 'resource_servers',
  client: 'clients',
  account: 'accounts',
  webhook: 'webhooks',
} as const

/** What a content says of a tenant by having a section at all. */
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

/** Whether a file that has these sections wants it gone. Tenants, with their keys, are never deleted. */
export function isPruned(pruned: readonly Pruned[], { tenant, kind }: Undeclared): boolean {
  if (kind === 'tenant') return false
  return pruned.some((each) => each.tenant === tenant && each.sections.includes(sectionOf[kind]))
}

/** Deletes what the file does not name, after everything else is as declared; what is protected is a fault. */
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

/** @returns those that are protected, by their ids: the last owner, the last operator */
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
    // Whoever else deleted one meanwhile did what was wanted.
    const kept = await accounts.lists.named(tenant, ids)
    return kept.map(({ id, email }) => [email, { accountId: id }])
  }
  for (const id of ids) {
    if (kind === 'resource_server') await resources.delete(tenant, id)
    if (kind === 'webhook') await webhooks.remove(tenant, id)
  }
  return []
}
