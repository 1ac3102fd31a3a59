import { AccountsTable, PasswordsTable } from './accounts/account.store.ts'
import { ActionTokensTable } from './actions/action-tokens.ts'
import { EmailCodesTable } from './actions/email-codes.ts'
import { EnrolmentsTable } from './actions/enrolment-tokens.ts'
import { AttemptsTable } from './attempts/attempts.ts'
import { AuditGapsTable, AuditHeadsTable } from './audit/chain.ts'
import { AuditEventsTable } from './audit/event.ts'
import { BackchannelRequestsTable } from './backchannel/requests.ts'
import { ClientsTable } from './clients/client.store.ts'
import { ClientSecretsTable } from './clients/client-secret.store.ts'
import { DenialsTable } from './denials/denials.ts'
import { RecoveryCodesTable, SecondFactorsTable } from './factors/factor.store.ts'
import { PasskeyOwnersTable, PasskeysTable } from './factors/passkey.store.ts'
import { FamiliesTable, RefreshTokensTable } from './families/family.store.ts'
import { ServedPeriodsTable } from './families/served-time.ts'
import { GrantsTable } from './grants/grants.ts'
import { IdempotencyKeysTable } from './idempotency/idempotency.ts'
import { LockoutsTable } from './lockouts/lockout.store.ts'
import { OutboxTable } from './outbox/outbox.store.ts'
import { AccountPlacesTable } from './places/places.ts'
import { RefusalsTable } from './refusals/refusals.ts'
import { ClientDocumentsTable } from './registration/documents.store.ts'
import { RegistrationPoliciesTable } from './registration/policies.ts'
import { RegisteredClientsTable } from './registration/registered-clients.ts'
import { RegistrationTokensTable } from './registration/tokens.store.ts'
import { ResourceServersTable } from './resources/resource-server.store.ts'
import { RoleAssignmentsTable } from './roles/role.store.ts'
import { KeyEncryptionKeysTable } from './secrets/sealing-keys.ts'
import { SharedSecretsTable } from './secrets/shared-secrets.ts'
import { SessionClientsTable, SessionsTable } from './sessions/session.store.ts'
import { SignalEventsTable, SignalStreamsTable } from './signals/stream.store.ts'
import { SigningKeyClaimsTable } from './signing/key-claims.ts'
import { SigningKeysTable } from './signing/signing-key.store.ts'
import { SingleUseTable } from './single-use/single-use.ts'
import { ChangesTable } from './storage/changes.ts'
import { ShortLivedTable } from './storage/short-lived.postgres.ts'
import { TenantsTable } from './tenants/tenants.ts'
import { WebhooksTable } from './webhooks/webhook.ts'

/** Every table that has a mapping. */
export const entities = [
  ChangesTable,
  TenantsTable,
  KeyEncryptionKeysTable,
  SharedSecretsTable,
  SigningKeysTable,
  SigningKeyClaimsTable,
  ResourceServersTable,
  ClientsTable,
  ClientSecretsTable,
  AccountsTable,
  PasswordsTable,
  SecondFactorsTable,
  RecoveryCodesTable,
  PasskeyOwnersTable,
  PasskeysTable,
  SessionsTable,
  SessionClientsTable,
  GrantsTable,
  FamiliesTable,
  RefreshTokensTable,
  ServedPeriodsTable,
  SingleUseTable,
  AttemptsTable,
  LockoutsTable,
  AccountPlacesTable,
  ActionTokensTable,
  EnrolmentsTable,
  EmailCodesTable,
  DenialsTable,
  RegistrationTokensTable,
  RegistrationPoliciesTable,
  RegisteredClientsTable,
  ClientDocumentsTable,
  ShortLivedTable,
  AuditEventsTable,
  AuditHeadsTable,
  AuditGapsTable,
  WebhooksTable,
  SignalStreamsTable,
  SignalEventsTable,
  OutboxTable,
  BackchannelRequestsTable,
  RefusalsTable,
  RoleAssignmentsTable,
  IdempotencyKeysTable,
]
