import { Initial0001 } from './0001-initial.ts'
import { FamilyTimeLine0002 } from './0002-family-time-line.ts'
import { ReadableClientSecrets0003 } from './0003-readable-client-secrets.ts'
import { FamilyBrowser0004 } from './0004-family-browser.ts'
import { Attempts0005 } from './0005-attempts.ts'
import { SealedSessionState0006 } from './0006-sealed-session-state.ts'
import { Outbox0007 } from './0007-outbox.ts'
import { SigningKeyLife0008 } from './0008-signing-key-life.ts'
import { SweepIndexes0009 } from './0009-sweep-indexes.ts'
import { KeyEncryptionKeys0010 } from './0010-key-encryption-keys.ts'
import { SigningKeyClaims0011 } from './0011-signing-key-claims.ts'
import { BackchannelRequests0012 } from './0012-backchannel-requests.ts'
import { Lockouts0013 } from './0013-lockouts.ts'
import { SecondFactors0014 } from './0014-second-factors.ts'
import { ActionTokens0015 } from './0015-action-tokens.ts'
import { AccountPages0016 } from './0016-account-pages.ts'
import { Passkeys0017 } from './0017-passkeys.ts'
import { Enrolments0018 } from './0018-enrolments.ts'
import { FactorPolicy0019 } from './0019-factor-policy.ts'
import { AccountPlaces0020 } from './0020-account-places.ts'
import { Admin0021 } from './0021-admin.ts'
import { AuditChain0022 } from './0022-audit-chain.ts'
import { Refusals0023 } from './0023-refusals.ts'
import { ClientRegistration0024 } from './0024-client-registration.ts'
import { DenialAudiences0025 } from './0025-denial-audiences.ts'
import { SharedSignals0026 } from './0026-shared-signals.ts'
import { ClientDocuments0027 } from './0027-client-documents.ts'
import { SoftwareStatements0028 } from './0028-software-statements.ts'
import { ListedRefusals0029 } from './0029-listed-refusals.ts'
import { ActorRoles0030 } from './0030-actor-roles.ts'
import { Changes0031 } from './0031-changes.ts'
import { NewestFirst0032 } from './0032-newest-first.ts'
import { FewAmongMany0033 } from './0033-few-among-many.ts'
import { TenantChanges0034 } from './0034-tenant-changes.ts'
import { ChangesByTransaction0036 } from './0036-changes-by-transaction.ts'
import { OwnWord0037 } from './0037-own-word.ts'
import { GrantsByAccount0038 } from './0038-grants-by-account.ts'
import { SchemaNeeds0039 } from './0039-schema-needs.ts'
import { KeysThatSeal0040 } from './0040-keys-that-seal.ts'
import { ServedPeriods0041 } from './0041-served-periods.ts'
import { OutboxByKind0042 } from './0042-outbox-by-kind.ts'
import type { Migration } from './migration.ts'

/**
 * All migrations in order. A released one is never edited: expand, migrate and contract in new ones. Nodes keep serving
 * while they run: no statement may read or write all of a large table under a lock that blocks writers. Statements that
 * look harmless and do: an index (declare it, see `Migration`), a constraint that is not `not valid` at first, a column
 * that changes its type or gets a volatile default, `set not null` without a valid check.
 *
 * Processes of earlier releases also start on the new schema. A migration that removes what they use records which
 * migration a process must know: `insert into schema_needs values ('OwnWord1760000000037')`.
 */
export const migrations: Array<new () => Migration> = [
  Initial0001,
  FamilyTimeLine0002,
  ReadableClientSecrets0003,
  FamilyBrowser0004,
  Attempts0005,
  SealedSessionState0006,
  Outbox0007,
  SigningKeyLife0008,
  SweepIndexes0009,
  KeyEncryptionKeys0010,
  SigningKeyClaims0011,
  BackchannelRequests0012,
  Lockouts0013,
  SecondFactors0014,
  ActionTokens0015,
  AccountPages0016,
  Passkeys0017,
  Enrolments0018,
  FactorPolicy0019,
  AccountPlaces0020,
  Admin0021,
  AuditChain0022,
  Refusals0023,
  ClientRegistration0024,
  DenialAudiences0025,
  SharedSignals0026,
  ClientDocuments0027,
  SoftwareStatements0028,
  ListedRefusals0029,
  ActorRoles0030,
  Changes0031,
  NewestFirst0032,
  FewAmongMany0033,
  TenantChanges0034,
  ChangesByTransaction0036,
  OwnWord0037,
  GrantsByAccount0038,
  SchemaNeeds0039,
  KeysThatSeal0040,
  ServedPeriods0041,
  OutboxByKind0042,
]
