import { defaultTenant } from '../tenants/tenant.ts'
import { columns } from './columns.ts'

/** What one item of the file led to. */
export interface Change {
  tenant: string
  kind: 'tenant' | 'resource_server' | 'client' | 'account' | 'webhook'
  /** The tenant's id, the identifier, the client_id, the e-mail address or the URL. */
  id: string
  outcome: 'created' | 'updated' | 'unchanged'
}

/** What `apply --json` prints. */
export interface ApplyResult {
  /** Whether this is what would happen: nothing was changed. */
  plan: boolean
  created: number
  updated: number
  unchanged: number
  /** In the order in which they were applied. */
  changes: Change[]
  /** Secrets that were made now; they cannot be read again. */
  client_secrets: Array<{ tenant: string; client_id: string; client_secret: string }>
}

const planned = { created: 'create', updated: 'update', unchanged: 'unchanged' }

export function renderApply(result: ApplyResult): string {
  const of = (tenant: string) => (tenant === defaultTenant ? '' : ` (tenant ${tenant})`)
  const rows = result.changes.map(({ outcome, kind, id, tenant }) => [
    result.plan ? planned[outcome] : outcome,
    kind.replace('_', ' '),
    kind === 'tenant' ? id : `${id}${of(tenant)}`,
  ])
  const secrets = result.client_secrets.map(({ client_id, client_secret, tenant }) => [
    `${client_id}${of(tenant)}`,
    client_secret,
  ])
  const { created, updated, unchanged } = result
  return [
    ...(rows.length > 0 ? [columns(rows)] : []),
    result.plan
      ? `Plan: ${created} to create, ${updated} to update, ${unchanged} unchanged. Nothing was changed.`
      : `${created} created, ${updated} updated, ${unchanged} unchanged.`,
    ...(secrets.length > 0
      ? ['', 'Client secrets, shown once and stored nowhere:', columns(secrets)]
      : []),
  ].join('\n')
}
