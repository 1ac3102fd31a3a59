import { DomainError } from '../errors.ts'
import type { Presented } from '../oidc/presented-token.ts'
import {
  type AdminRole,
  type Assignment,
  adminRoles,
  covers,
  everywhere,
  mayDo,
  type Permission,
  permits,
  type Subject,
  scopeOf,
  scopesOf,
} from '../roles/role.ts'
import type { Roles } from '../roles/roles.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import type { Call } from './route.ts'

/** The caller: a person through a client, or a client alone. */
export interface Caller {
  subject: Subject
  clientId: string
  scopes: ReadonlySet<string>
  /** Read from the database at this request. */
  roles: Assignment[]
}

/** With a person's token only the person's roles count, not those of the client. */
export async function callerOf(roles: Roles, presented: Presented): Promise<Caller> {
  const { accountId, clientId, scopes } = presented
  const subject = accountId === undefined ? { clientId } : { accountId }
  return { subject, clientId, scopes, roles: await roles.of(subject) }
}

/**
 * Checks whether a caller may do something.
 *
 * | token has the scope | a role permits it there | a role reaches the tenant | refused with         |
 * |---------------------|-------------------------|---------------------------|----------------------|
 * | no                  |                         |                           | `scope_insufficient` |
 * | yes                 | no                      | no                        | `not_found`          |
 * | yes                 | no                      | yes                       | `permission_denied`  |
 *
 * @param tenant `everywhere` for objects of no tenant; undefined where any reach suffices
 * @returns the role that permits it; of several the most powerful
 */
export function assertPermitted(
  { scopes, roles }: Caller,
  permission: Permission,
  tenant: string | undefined,
): AdminRole {
  if (!scopes.has(scopeOf(permission))) {
    throw new DomainError('scope_insufficient', { detail: { expected: scopeOf(permission) } })
  }
  const permitting = roles.filter((held) =>
    tenant === undefined ? permits(held.role, permission) : mayDo([held], permission, tenant),
  )
  const by = adminRoles.find((role) => permitting.some((held) => held.role === role))
  if (by !== undefined) return by
  const isReached =
    tenant === undefined ||
    tenant === everywhere ||
    roles.some(({ reach }) => reach === everywhere || reach === tenant)
  // An administrator of one tenant does not learn which others exist.
  throw new DomainError(isReached ? 'permission_denied' : 'not_found', {
    detail: { expected: permission, tenant, roles: roles.map(({ role, reach }) => [role, reach]) },
  })
}

/** The tenants where a caller may do something; undefined for all. */
export function reachesOf({ roles }: Caller, permission: Permission): string[] | undefined {
  const reaches = roles.filter(({ role }) => permits(role, permission)).map(({ reach }) => reach)
  return reaches.includes(everywhere) ? undefined : reaches
}

/**
 * Callers may not change the credentials of a subject whose roles exceed their own, nor end what it holds. Only the
 * default tenant has such subjects.
 * @throws DomainError `subject_protected`
 */
export async function assertCovers(
  { core, tenant, caller }: Pick<Call, 'core' | 'tenant' | 'caller'>,
  subject: Subject,
): Promise<void> {
  if (tenant !== defaultTenant || covers(caller.roles, await core.roles.of(subject))) return
  throw new DomainError('subject_protected', { detail: { ...subject } })
}

/**
 * A caller who enables a subject, or could sign in as it afterwards, needs a token with the scopes of all roles of that
 * subject. Otherwise a token with few scopes would be worth as much as those roles (RFC 9700 §2.3).
 * @throws DomainError `scope_insufficient` naming a missing one
 */
export function assertScopesOf(
  { scopes }: Caller,
  held: ReadonlyArray<Pick<Assignment, 'role'>>,
): void {
  const expected = scopesOf(held).find((scope) => !scopes.has(scope))
  if (expected !== undefined) throw new DomainError('scope_insufficient', { detail: { expected } })
}

/** The same for the current roles of a subject, as whom the caller could sign in afterwards. */
export async function assertScopesFor(
  { core, tenant, caller }: Pick<Call, 'core' | 'tenant' | 'caller'>,
  subject: Subject,
): Promise<void> {
  if (tenant === defaultTenant) assertScopesOf(caller, await core.roles.of(subject))
}
