import { DomainError } from '../errors.ts'
import { operator } from '../revocation/revocation.ts'
import { chunksOf } from '../storage/chunks.ts'
import type { Change, Undeclared } from './apply-output.ts'
import { collect, settleChanges, type Work } from './apply-work.ts'
import type { ItemSection } from './stored.ts'

/** Sections of a tenant that a file has, if only as an empty list: what is not in them is not to be there. */
export interface Pruned {
  tenant: string
  sections: ItemSection[]
}

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
  for (const some of chunksOf(items)) {
    for (const item of some) {
      await collect(work, `${item.kind.replace('_', ' ')} ${item.id}`, () => remove(work, item))
    }
    await settleChanges(work.core)
  }
  return items.map((item) => ({ ...item, outcome: 'deleted', members: [] }))
}

async function remove({ core }: Work, { tenant, kind, id }: Undeclared): Promise<void> {
  if (kind === 'resource_server') await core.resources.delete(tenant, id)
  if (kind === 'webhook') await core.webhooks.remove(tenant, id)
  if (kind === 'client') await core.revocations.deleteClientAtOnce(tenant, id)
  if (kind !== 'account') return
  const account = await core.accounts.byIdentifier(tenant, id)
  if (account && !(await core.revocations.deleteAccount(account, operator))) {
    throw new DomainError('last_owner', { detail: { account: id } })
  }
}
