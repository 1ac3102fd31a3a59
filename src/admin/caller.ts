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

/** Who calls: a person through a client, or a client alone. */
export interface Caller {
  subject: Subject
  clientId: string
  scopes: ReadonlySet<string>
  /** As the database has them now. */
  roles: Assignment[]
}

/** A person's token counts for the person's roles alone, whatever roles the client has. */
export async function callerOf(roles: Roles, presented: Presented): Promise<Caller> {
  const { accountId, clientId, scopes } = presented
  const subject = accountId === undefined ? { clientId } : { accountId }
  return { subject, clientId, scopes, roles: await roles.of(subject) }
}

/**
 * Whether a caller may do something.
 *
 * | token has the scope | a role permits it there | a role reaches the tenant | refused with         |
 * |---------------------|-------------------------|---------------------------|----------------------|
 * | no                  |                         |                           | `scope_insufficient` |
 * | yes                 | no                      | no                        | `not_found`          |
 * | yes                 | no                      | yes                       | `permission_denied`  |
 *
 * @param tenant `everywhere` for what is of no tenant; undefined where any reach will do
 * @returns the role that permits it; of several the one that may do most
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
  // Who administers one tenant does not learn which others there are.
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
 * Nobody changes how somebody signs in whose roles go beyond their own, nor ends what they have. Only who is in the
 * default tenant has roles.
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
 * Whoever lets somebody in with some roles, or could come in as one who has them, needs a token for all that these
 * permit: else a token for little would be worth as much as the roles behind it (RFC 9700 §2.3).
 * @throws DomainError `scope_insufficient` naming one that is missing
 */
export function assertScopesOf(
  { scopes }: Caller,
  held: ReadonlyArray<Pick<Assignment, 'role'>>,
): void {
  const expected = scopesOf(held).find((scope) => !scopes.has(scope))
  if (expected !== undefined) throw new DomainError('scope_insufficient', { detail: { expected } })
}

/** The same for the roles that somebody has; for who could come in as them afterwards. */
export async function assertScopesFor(
  { core, tenant, caller }: Pick<Call, 'core' | 'tenant' | 'caller'>,
  subject: Subject,
): Promise<void> {
  if (tenant === defaultTenant) assertScopesOf(caller, await core.roles.of(subject))
}
