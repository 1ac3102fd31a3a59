import { defaultTenant } from '../tenants/tenant.ts'
import { columns } from './columns.ts'
import { differenceLines, type MemberChange } from './difference.ts'

/** The change of one item of the file. */
export interface Change {
  tenant: string
  kind: 'tenant' | 'resource_server' | 'client' | 'account' | 'webhook'
  /** The tenant's id, the identifier, the client_id, the e-mail address, or the URL. */
  id: string
  /** `deleted` with `--prune` alone. */
  outcome: 'created' | 'updated' | 'unchanged' | 'deleted'
  /** The changed members; all of them for a new item. Of a secret only the name. */
  members: MemberChange[]
}

/** A stored object that is not in the file. */
export type Undeclared = Pick<Change, 'tenant' | 'kind' | 'id'>

/** What `apply --json` prints. */
export interface ApplyResult {
  /** Whether this is only a plan: nothing was changed. */
  plan: boolean
  created: number
  updated: number
  unchanged: number
  /** With `--prune`. */
  deleted?: number
  /** In the order in which they were applied. */
  changes: Change[]
  /** Newly generated secrets; they cannot be read again. */
  client_secrets: Array<{ tenant: string; client_id: string; client_secret: string }>
  /** With `--check` or `--prune`; what was deleted is not among them. */
  undeclared?: Undeclared[] | undefined
  /** With `--check`: whether anything is not as declared. */
  drift?: boolean
}

const signs = { created: '+', updated: '~', unchanged: ' ', deleted: '-' }

export function renderApply(result: ApplyResult): string {
  const secrets = result.client_secrets.map(({ client_id, client_secret, tenant }) => [
    `${client_id}${of(tenant)}`,
    client_secret,
  ])
  const { created, updated, unchanged, deleted, undeclared = [] } = result
  const gone =
    deleted === undefined ? '' : result.plan ? `${deleted} to delete, ` : `${deleted} deleted, `
  return [
    ...(result.plan ? plannedLines(result.changes) : doneLines(result.changes)),
    ...undeclared.map((item) => columns([[`not declared: ${nameOf(item)}`]])),
    result.plan
      ? `Plan: ${created} to create, ${updated} to update, ${gone}${unchanged} unchanged. Nothing was changed.`
      : `${created} created, ${updated} updated, ${gone}${unchanged} unchanged.`,
    ...(result.drift === undefined
      ? []
      : [result.drift ? 'There is drift.' : 'There is no drift.']),
    ...(secrets.length > 0
      ? ['', 'Client secrets, shown once and not stored:', columns(secrets)]
      : []),
  ].join('\n')
}

function of(tenant: string): string {
  return tenant === defaultTenant ? '' : ` (tenant ${tenant})`
}

function nameOf({ kind, id, tenant }: Undeclared): string {
  return `${kind.replace('_', ' ')} ${id}${kind === 'tenant' ? '' : of(tenant)}`
}

/** The planned changes with their members; unchanged items are only counted. */
function plannedLines(changes: Change[]): string[] {
  return changes
    .filter(({ outcome }) => outcome !== 'unchanged')
    .flatMap((change) => [
      columns([[signs[change.outcome], nameOf(change)]]).replace('  ', ' '),
      ...memberLines(change),
    ])
}

/** The result of every item; with members for those that existed before. */
function doneLines(changes: Change[]): string[] {
  const table = columns(
    changes.map(({ outcome, kind, id, tenant }) => [
      outcome,
      kind.replace('_', ' '),
      kind === 'tenant' ? id : `${id}${of(tenant)}`,
    ]),
  ).split('\n')
  return changes.flatMap((change, i) => [
    table[i] ?? '',
    ...(change.outcome === 'updated' ? memberLines(change) : []),
  ])
}

function memberLines({ members }: Change): string[] {
  const rows = members
    .flatMap(differenceLines)
    .map(([sign, path, text]) => [`${sign} ${path}:`, text])
  return rows.length === 0
    ? []
    : columns(rows)
        .split('\n')
        .map((line) => `    ${line}`)
}
