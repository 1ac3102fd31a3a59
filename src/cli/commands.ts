import type { Command } from './command.ts'

/** Every operator command; each is loaded only when it is called. */
const loaders = {
  migrate: async () => (await import('./migrate.ts')).migrateCommand,
  apply: async () => (await import('./apply.ts')).apply,
  export: async () => (await import('./export.ts')).exportCommand,
  explain: async () => (await import('./explain.ts')).explain,
  'accounts create': async () => (await import('./accounts-create.ts')).accountsCreate,
  'accounts list': async () => (await import('./accounts-list.ts')).accountsList,
  'accounts show': async () => (await import('./accounts-show.ts')).accountsShow,
  'accounts disable': async () => (await import('./accounts-change.ts')).accountsDisable,
  'accounts enable': async () => (await import('./accounts-change.ts')).accountsEnable,
  'accounts reset': async () => (await import('./accounts-change.ts')).accountsReset,
  'accounts unlock': async () => (await import('./accounts-change.ts')).accountsUnlock,
  'accounts remove-factors': async () =>
    (await import('./accounts-change.ts')).accountsRemoveFactors,
  'accounts sign-out': async () => (await import('./accounts-change.ts')).accountsSignOut,
  'accounts sign-out-all': async () =>
    (await import('./accounts-sign-out-all.ts')).accountsSignOutAll,
  'invitations create': async () => (await import('./invitations.ts')).invitationsCreate,
  'invitations list': async () => (await import('./invitations.ts')).invitationsList,
  'invitations revoke': async () => (await import('./invitations.ts')).invitationsRevoke,
  'clients create': async () => (await import('./clients-create.ts')).clientsCreate,
  'clients list': async () => (await import('./clients-list.ts')).clientsList,
  'clients disable': async () => (await import('./clients-disable.ts')).clientsDisable,
  'clients enable': async () => (await import('./clients-disable.ts')).clientsEnable,
  'clients delete': async () => (await import('./clients-disable.ts')).clientsDelete,
  'clients rotate-secret': async () => (await import('./clients-rotate-secret.ts')).rotateSecret,
  'registration tokens create': async () =>
    (await import('./registration-tokens.ts')).registrationTokensCreate,
  'registration tokens list': async () =>
    (await import('./registration-tokens.ts')).registrationTokensList,
  'registration tokens revoke': async () =>
    (await import('./registration-tokens.ts')).registrationTokensRevoke,
  'families list': async () => (await import('./families-list.ts')).familiesList,
  'families show': async () => (await import('./families-show.ts')).familiesShow,
  'families revoke': async () => (await import('./families-revoke.ts')).familiesRevoke,
  'grants list': async () => (await import('./grants.ts')).grantsList,
  'grants revoke': async () => (await import('./grants.ts')).grantsRevoke,
  'sessions list': async () => (await import('./sessions.ts')).sessionsList,
  'sessions end': async () => (await import('./sessions.ts')).sessionsEnd,
  'tenants list': async () => (await import('./tenants.ts')).tenantsList,
  'tenants disable': async () => (await import('./tenants.ts')).tenantsDisable,
  'tenants enable': async () => (await import('./tenants.ts')).tenantsEnable,
  'audit list': async () => (await import('./audit-list.ts')).auditList,
  'audit verify': async () => (await import('./audit-verify.ts')).auditVerify,
  'webhooks list': async () => (await import('./webhooks.ts')).webhooksList,
  'webhooks deliveries': async () => (await import('./webhooks.ts')).webhooksDeliveries,
  'webhooks retry': async () => (await import('./webhooks.ts')).webhooksRetry,
  'webhooks remove': async () => (await import('./webhooks.ts')).webhooksRemove,
  'logouts list': async () => (await import('./logouts-list.ts')).logoutsList,
  'keys rotate-kek': async () => (await import('./keys-rotate-kek.ts')).keysRotateKek,
  'keys list': async () => (await import('./keys-list.ts')).keysList,
  'keys rotate': async () => (await import('./keys-rotate.ts')).keysRotate,
  'keys revoke': async () => (await import('./keys-revoke.ts')).keysRevoke,
  'admin bootstrap': async () => (await import('./admin-bootstrap.ts')).adminBootstrap,
  'roles list': async () => (await import('./roles.ts')).rolesList,
  'roles grant': async () => (await import('./roles.ts')).rolesGrant,
  'roles revoke': async () => (await import('./roles.ts')).rolesRevoke,
  'doctor storage': async () => (await import('./doctor-storage.ts')).doctorStorage,
}

export type CommandName = keyof typeof loaders

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(loaders, name)
}

/** Loads a command. Its input is validated against `input` before it is executed. */
export function loadCommand(name: CommandName): Promise<Command> {
  return loaders[name]()
}
