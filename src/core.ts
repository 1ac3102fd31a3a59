import type { Config } from '../config/config.ts'
import { createAccounts } from './accounts/accounts.ts'
import { createHashQueue } from './accounts/hash-queue.ts'
import { createPasswords } from './accounts/password.ts'
import { loadPasswordLists } from './accounts/password-list.ts'
import { createPasswordPolicy } from './accounts/password-policy.ts'
import { createActionTokens } from './actions/action-tokens.ts'
import { createEmailCodes } from './actions/email-codes.ts'
import { createEnrolmentTokens } from './actions/enrolment-tokens.ts'
import { createAttempts } from './attempts/attempts.ts'
import { createAudit } from './audit/audit.ts'
import { assertAuditTypes } from './audit/kinds.ts'
import { createPings } from './backchannel/pings.ts'
import { createBackchannelRequests } from './backchannel/requests.ts'
import { createClients } from './clients/clients.ts'
import { createSubjects } from './clients/subjects.ts'
import { type Clock, createClock } from './clock.ts'
import { type ClockWatch, createClockWatch } from './clock-watch.ts'
import { createCounters } from './counters.ts'
import { createDenials } from './denials/denials.ts'
import { createEnrolment } from './enrolment/enrolment.ts'
import { createInvitations } from './enrolment/invitations.ts'
import { createSignUps } from './enrolment/sign-up.ts'
import { createFactors } from './factors/factors.ts'
import { createMailedCodes } from './factors/mailed-codes.ts'
import { createFactorTrail } from './factors/trail.ts'
import { createFamilies } from './families/families.ts'
import { createFamilyWatch, type FamilyWatch } from './families/family-watch.ts'
import { createServedTime, type ServedTime } from './families/served-time.ts'
import { createRevocationFeed } from './feed/revocation-feed.ts'
import { createRevocationStreams } from './feed/revocation-streams.ts'
import { firstOperator } from './first-operator.ts'
import { createGrants } from './grants/grants.ts'
import { createIdempotency } from './idempotency/idempotency.ts'
import { createLimiter } from './limits/limiter.ts'
import { createLockouts } from './lockouts/lockouts.ts'
import type { Log } from './log.ts'
import { createLogouts } from './logouts/logouts.ts'
import { createMail } from './mail/mail.ts'
import { openMetrics } from './metrics/open.ts'
import type { Figures } from './metrics/registry.ts'
import type { Capabilities } from './oidc/capabilities.ts'
import { createClientCheck } from './oidc/client-check.ts'
import { createOutbox } from './outbox/outbox.ts'
import { createFetch } from './outgoing/fetch.ts'
import { type Countries, openCountries } from './places/countries.ts'
import { createPlaces } from './places/places.ts'
import { createEmailAddresses } from './recovery/email-address.ts'
import { createPasswordReset } from './recovery/password-reset.ts'
import { createRefusals } from './refusals/refusals.ts'
import { createClientDocuments } from './registration/documents.ts'
import { createRegistrationPolicies } from './registration/policies.ts'
import { createRegistrations } from './registration/registrations.ts'
import { createResourceServers } from './resources/resource-servers.ts'
import { createRevocations } from './revocation/revocations.ts'
import { createRoles } from './roles/roles.ts'
import { keyEncryptionKeys, openSealing } from './sealing.ts'
import { createRedemptions } from './sessions/redemptions.ts'
import { createSessions } from './sessions/sessions.ts'
import { createSignals } from './signals/signals.ts'
import { measureKeys } from './signing/measured-keys.ts'
import { createSigner } from './signing/pkcs11-signer.ts'
import { createToken } from './signing/pkcs11-token.ts'
import { scheduleOf } from './signing/schedule.ts'
import { createSealedSigner } from './signing/sealed-signer.ts'
import { requiredAlgs } from './signing/signing-key.ts'
import { createSigningKeys } from './signing/signing-keys.ts'
import { createSingleUse } from './single-use/single-use.ts'
import { type Changes, createChanges } from './storage/changes.ts'
import { createPoll } from './storage/poll.ts'
import {
  followDatabaseClock,
  openStorage,
  type SchemaPolicy,
  type Storage,
} from './storage/storage.ts'
import { entities } from './tables.ts'
import { defaultTenant } from './tenants/tenant.ts'
import { createTenants } from './tenants/tenants.ts'
import { version } from './version.ts'
import { createWebhooks } from './webhooks/webhooks.ts'

/** All capabilities over open storage, without HTTP: what the server and the command line share. */
export interface Core extends Capabilities {
  storage: Storage
  countries: Countries
  changes: Changes
  clockWatch: ClockWatch
  familyWatch: FamilyWatch
  servedTime: ServedTime
  /**
   * Reads the metrics of this process; absent when metrics are off.
   * @param shared whether to add those of the installation
   */
  readMetrics?(shared: boolean): Promise<Figures>
  /**
   * Creates what the first start of an installation needs: signing keys, and one operator.
   * @returns the operator's address and one-time password when this call created it
   */
  firstStart(): Promise<{ email: string; oneTimePassword: string } | undefined>
  close(): Promise<void>
}

/**
 * Opens storage and composes the capabilities over it.
 * @throws DomainError `storage_unavailable`, `storage_locked`, `storage_newer`, `migrations_pending`,
 *   `key_encryption_key_invalid`
 */
export async function openCore(
  config: Config,
  log: Log,
  { schema, clock = createClock() }: { schema: SchemaPolicy; clock?: Clock },
): Promise<Core> {
  assertAuditTypes('AUDIT_RETENTION', Object.keys(config.auditRetention))
  // Before a Postgres server is touched: without the key-encryption key its secrets cannot be read.
  if (config.databaseUrl) await keyEncryptionKeys(config, false)
  const counters = createCounters()
  const measured = await openMetrics(config, counters, log, version)
  const { metrics } = measured
  const storage = await openStorage(config, { entities, clock, log, metrics, schema })
  try {
    const core = await compose({ config, log, clock, counters, metrics }, storage)
    return measured.read ? { ...core, readMetrics: measured.read } : core
  } catch (error) {
    await storage.close()
    throw error
  }
}

async function compose(
  given: Pick<Capabilities, 'config' | 'log' | 'clock' | 'counters' | 'metrics'>,
  storage: Storage,
): Promise<Core> {
  const { config, log, clock, counters, metrics } = given
  const { database, shortLived } = storage
  await followDatabaseClock(database, clock)
  const { sealer, sealingKeys, sharedSecrets, keyRotation } = await openSealing(
    { config, log, clock },
    storage,
  )
  const fetch = createFetch(config, log, undefined, metrics)
  metrics.gauge('keyturn_clock_offset_seconds', () => [[{}, clock.offset / 1000]])
  const { notifications } = storage
  const clockWatch = createClockWatch({ clock, log })
  const poll = createPoll({ notifications, clock, clockWatch, log })
  const base = {
    ...given,
    database,
    shortLived,
    sealer,
    fetch,
    changes: createChanges({ database, clock, poll }),
  }
  const limiter = createLimiter({
    ...base,
    shared: storage.sharedBuckets,
    on: config.rateLimits,
  })
  const passwords = await createPasswords({
    log,
    policy: createPasswordPolicy({
      minLength: config.passwordMinLength,
      minLengthWithFactor: config.passwordMinLengthWithFactor,
      lists: await loadPasswordLists(config.passwordListFile),
      names: ['keyturn', config.themeName, new URL(config.issuer).hostname],
    }),
    memoryKiB: config.argon2MemoryKib,
    iterations: config.argon2Iterations,
    queue: createHashQueue({
      concurrency: config.hashConcurrency,
      length: config.hashQueue,
      onRefusal: () => counters.count('hash_shed'),
      metrics,
    }),
  })
  const audit = createAudit({ ...base, sharedSecrets, retention: config.auditRetention })
  const tenants = createTenants({ ...base, audit })
  const denials = createDenials({
    ...base,
    poll,
    maxStaleness: config.denylistMaxStaleness,
  })
  const signer = createSigner(
    createSealedSigner(sealer, config.rsaKeyBits),
    tokenOf(config, log),
    config.rsaKeyBits,
  )
  const signing = createSigningKeys({
    ...base,
    audit,
    notifications,
    poll,
    signer,
    schedule: scheduleOf(config),
    maxStaleness: config.keyMaxStaleness,
  })
  measureKeys({ ...base, signing, schedule: scheduleOf(config) })
  const resources = createResourceServers({ ...base, signing, audit })
  const servedTime = createServedTime(base)
  const families = createFamilies({
    ...base,
    servedTime,
    denials,
    audit,
    mostFamilies: config.maxFamilies,
  })
  const lockouts = createLockouts({ ...base, audit })
  const countries = await openCountries(config.geoipDatabase, log)
  const places = createPlaces({ ...base, countries })
  const accounts = createAccounts({
    ...base,
    limiter,
    lockouts,
    audit,
    passwords,
    oneTimePasswordTtl: config.oneTimePasswordTtl,
    takesFactor: async (tenant, id) =>
      (id !== undefined && (await factors.asked(tenant, id))) ||
      (await tenants.find(tenant))?.requireMfa === true,
    secondStepOf: (tenant, id) => factors.secondStep(tenant, id),
  })
  const clients = createClients({
    ...base,
    audit,
    fetch,
    check: (tenant, metadata) => checkClient(tenant, metadata),
  })
  const grants = createGrants(base)
  const outbox = createOutbox({ ...base, notifications })
  const actionTokens = createActionTokens({ ...base, ttl: config.actionTokenTtl })
  const enrolmentTokens = createEnrolmentTokens({
    ...base,
    ttl: { sign_up: config.signUpTtl, invitation: config.invitationTtl },
  })
  const emailCodes = createEmailCodes(base)
  const mail = createMail({
    ...base,
    limiter,
    outbox,
    audit,
    actionTokens,
    enrolmentTokens,
    emailCodes,
    selfContained: storage.selfContained,
  })
  const subjects = createSubjects({ sharedSecrets })
  const logouts = createLogouts({ ...base, outbox, clients, subjects, signing, audit })
  const pings = createPings({ ...base, outbox, clients, audit })
  const sessions = createSessions({ ...base, denials, accounts, families, logouts })
  const redemptions = createRedemptions(base)
  const roles = createRoles(base)
  const { language } = config
  const singleUse = createSingleUse(base)
  const trail = createFactorTrail({ ...base, audit, mail, language })
  const factors = createFactors({ ...base, audit, lockouts, singleUse, tenants, trail })
  const mailedCodes = createMailedCodes({
    ...base,
    emailCodes,
    limiter,
    lockouts,
    mail,
    tenants,
    trail,
    language,
  })
  const revocations = createRevocations({
    ...base,
    roles,
    accounts,
    clients,
    factors,
    places,
    tenants,
    sessions,
    families,
    grants,
    denials,
    audit,
    mail,
    language,
  })
  const revocationFeed = createRevocationFeed({ ...base, denials, signing })
  const policies = createRegistrationPolicies({ ...base, audit })
  const recovery = { ...base, accounts, actionTokens, lockouts, limiter, outbox, mail, audit }
  const enrolling = { ...base, tenants, accounts, enrolmentTokens, limiter, outbox, mail, audit }
  const capabilities: Capabilities = {
    ...base,
    audit,
    sharedSecrets,
    keyRotation,
    tenants,
    accounts,
    factors,
    mailedCodes,
    clients,
    resources,
    roles,
    signing,
    grants,
    families,
    sessions,
    redemptions,
    logouts,
    backchannelRequests: createBackchannelRequests(base),
    pings,
    subjects,
    outbox,
    webhooks: createWebhooks({ ...base, outbox, audit }),
    signals: createSignals({
      ...base,
      audit,
      outbox,
      signing,
      clients,
      subjects,
      grants,
      resources,
    }),
    denials,
    revocations,
    revocationFeed,
    revocationStreams: createRevocationStreams({ ...base, feed: revocationFeed, denials }),
    actionTokens,
    emailCodes,
    mail,
    emailAddresses: createEmailAddresses(recovery),
    passwordReset: createPasswordReset({ ...recovery, revocations }),
    enrolmentTokens,
    signUps: createSignUps(enrolling),
    invitations: createInvitations(enrolling),
    enrolment: createEnrolment(enrolling),
    singleUse,
    attempts: createAttempts(base),
    refusals: createRefusals(base),
    limiter,
    lockouts,
    places,
    idempotency: createIdempotency(base),
    registrationPolicies: policies,
    clientDocuments: createClientDocuments({
      ...base,
      clients,
      policies,
      signing,
      limiter,
      audit,
    }),
    registrations: createRegistrations({
      ...base,
      clients,
      policies,
      signing,
      limiter,
      revocations,
      audit,
    }),
  }

  const checkClient = createClientCheck(capabilities)

  return {
    ...capabilities,
    storage,
    countries,
    changes: base.changes,
    clockWatch,
    familyWatch: createFamilyWatch({ ...base, audit }),
    servedTime,
    async firstStart() {
      await signing.check()
      await sealingKeys.register()
      await signing.ensure(defaultTenant, requiredAlgs)
      return firstOperator(capabilities)
    },
    async close() {
      base.changes.stop()
      denials.stop()
      signing.stop()
      await signer.close()
      await storage.close()
    },
  }
}

function tokenOf(
  { pkcs11Module: module, pkcs11TokenLabel: label, pkcs11Pin: pin, pkcs11Variables: env }: Config,
  log: Log,
) {
  if (!module || !label || !pin) return undefined
  return createToken({ module, label, pin, env }, log)
}
