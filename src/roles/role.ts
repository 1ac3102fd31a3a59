/**
 * Permissions of the admin API: a verb on a kind of object. The scope of a permission is `admin:<permission>`. A caller
 * needs the scope in its token, and a role that grants the permission in that tenant.
 */
const allowedTo = {
  'tenants:read': ['owner', 'operator', 'auditor'],
  'tenants:write': ['owner'],
  'resource_servers:read': ['owner', 'operator', 'auditor'],
  'resource_servers:write': ['owner', 'operator'],
  'clients:read': ['owner', 'operator', 'auditor'],
  'clients:write': ['owner', 'operator'],
  'registration:read': ['owner', 'operator', 'auditor'],
  'registration:write': ['owner', 'operator'],
  'accounts:read': ['owner', 'operator', 'auditor', 'help_desk'],
  'accounts:write': ['owner', 'operator'],
  'invitations:read': ['owner', 'operator', 'auditor', 'help_desk'],
  'invitations:write': ['owner', 'operator'],
  'credentials:write': ['owner', 'operator', 'help_desk'],
  'sessions:read': ['owner', 'operator', 'auditor', 'help_desk'],
  'sessions:write': ['owner', 'operator', 'help_desk'],
  'grants:read': ['owner', 'operator', 'auditor', 'help_desk'],
  'grants:write': ['owner', 'operator', 'help_desk'],
  'families:read': ['owner', 'operator', 'auditor', 'help_desk'],
  'families:write': ['owner', 'operator', 'help_desk'],
  'keys:read': ['owner', 'operator', 'auditor'],
  'keys:write': ['owner', 'operator'],
  'roles:read': ['owner', 'operator', 'auditor'],
  'roles:write': ['owner'],
  'audit:read': ['owner', 'operator', 'auditor'],
  'denials:read': ['owner', 'operator', 'auditor', 'help_desk'],
  'statistics:read': ['owner', 'operator', 'auditor'],
} as const satisfies Record<string, readonly AdminRole[]>

/** From most to least permissions. */
export const adminRoles = ['owner', 'operator', 'auditor', 'help_desk'] as const
export type AdminRole = (typeof adminRoles)[number]

export type Permission = keyof typeof allowedTo
export const permissions = Object.keys(allowedTo) as Permission[]

export function permits(role: AdminRole, permission: Permission): boolean {
  return (allowedTo[permission] as readonly AdminRole[]).includes(role)
}

export const scopeOf = (permission: Permission) => `admin:${permission}`

/** The reach of a role that holds in every tenant, and for objects of no tenant. */
export const everywhere = '*'

/** An account or client of the default tenant; only those have roles. */
export type Subject = { accountId: string } | { clientId: string }

/** A role assigned to a subject. */
export interface Assignment {
  id: string
  subject: Subject
  role: AdminRole
  /** The id of a tenant, or `everywhere`. */
  reach: string
  /** Milliseconds since the epoch. */
  createdAt: number
}

type Held = Pick<Assignment, 'role' | 'reach'>

/** The scopes of all permissions of some roles. */
export const scopesOf = (held: ReadonlyArray<Pick<Held, 'role'>>) =>
  permissions
    .filter((permission) => held.some(({ role }) => permits(role, permission)))
    .map(scopeOf)

/** Whether roles grant a permission in a tenant. @param tenant `everywhere` for objects of no tenant */
export function mayDo(held: readonly Held[], permission: Permission, tenant: string): boolean {
  return held.some(
    ({ role, reach }) => (reach === everywhere || reach === tenant) && permits(role, permission),
  )
}

/**
 * Whether some roles cover all permissions of others. Nobody may grant, revoke or take over more than they have:
 * neither by assigning a role, nor by changing the credentials of somebody who has it (security class C21).
 */
export function covers(held: readonly Held[], others: readonly Held[]): boolean {
  return others.every(({ role, reach }) =>
    permissions.every((permission) => !permits(role, permission) || mayDo(held, permission, reach)),
  )
}
