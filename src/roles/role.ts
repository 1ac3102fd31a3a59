/**
 * Who may do what through the admin API: a verb on one kind of thing. The scope of the same right is
 * `admin:<permission>`; a caller needs the scope in the token, and a role that permits it where the thing is.
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

/** In the order of how much they permit. */
export const adminRoles = ['owner', 'operator', 'auditor', 'help_desk'] as const
export type AdminRole = (typeof adminRoles)[number]

export type Permission = keyof typeof allowedTo
export const permissions = Object.keys(allowedTo) as Permission[]

export function permits(role: AdminRole, permission: Permission): boolean {
  return (allowedTo[permission] as readonly AdminRole[]).includes(role)
}

export const scopeOf = (permission: Permission) => `admin:${permission}`

/** The reach of a role that holds for every tenant, and for what belongs to none. */
export const everywhere = '*'

/** An account or a client of the default tenant; nobody else has roles. */
export type Subject = { accountId: string } | { clientId: string }

/** A role that somebody has. */
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

/** The scopes of all that roles permit. */
export const scopesOf = (held: ReadonlyArray<Pick<Held, 'role'>>) =>
  permissions
    .filter((permission) => held.some(({ role }) => permits(role, permission)))
    .map(scopeOf)

/** Whether roles permit something in a tenant. @param tenant `everywhere` for what is of no tenant */
export function mayDo(held: readonly Held[], permission: Permission, tenant: string): boolean {
  return held.some(
    ({ role, reach }) => (reach === everywhere || reach === tenant) && permits(role, permission),
  )
}

/**
 * Whether whoever holds some roles may do all that others permit. Nobody gives away, takes or takes over more than they
 * have: neither by granting a role nor by changing how somebody signs in who has it (security class C21).
 */
export function covers(held: readonly Held[], others: readonly Held[]): boolean {
  return others.every(({ role, reach }) =>
    permissions.every((permission) => !permits(role, permission) || mayDo(held, permission, reach)),
  )
}
