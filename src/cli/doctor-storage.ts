import { z } from 'zod'
import type { Capabilities } from '../oidc/capabilities.ts'
import { requiredAlgs, stateOf } from '../signing/signing-key.ts'
import type { Database, Unit } from '../storage/database.ts'
import { migrationState, summaryOf } from '../storage/migrate.ts'
import { findPooler } from '../storage/pooler.ts'
import { isDiskFull } from '../storage/violations.ts'
import { type Check, diagnosisOf, type Finding, renderDiagnosis } from './check.ts'
import type { Command } from './command.ts'
import { examineClients } from './doctor-clients.ts'
import { describeFailure } from './failure.ts'

const input = z.strictObject({})

/** The part of `doctor` that needs the storage. */
export const doctorStorage: Command<z.infer<typeof input>, Check[]> = {
  input,
  prepare: () => ({}),
  async execute(core) {
    const checks: Check[] = []
    for (const [name, check] of Object.entries(examinations)) {
      const found = await check(core).catch((error: unknown): Finding => {
        return { status: 'fail', message: describeFailure(error) }
      })
      checks.push({ name, ...found })
    }
    return checks
  },
  render: (checks) => renderDiagnosis(diagnosisOf(checks)),
}

const oldestPostgres = 14
/** Milliseconds. */
const tolerableSkew = 5000

/** Writes a mebibyte and rolls it back: a full disk still answers reads. */
const takeRoom = (database: Database) => async (unit: Unit) => {
  await unit.open()
  await database.query(
    `create temp table room as select repeat(md5(i::text), 60) from generate_series(1, 500) i`,
  )
  return false
}

const examinations: Record<string, (core: Capabilities) => Promise<Finding>> = {
  async storage({ database, config: { databaseUrl, databasePrepare } }) {
    const [row] = await database.query<{ version: string; writes: boolean; isBounded: boolean }>(
      `select current_setting('server_version_num') as version,
              current_setting('transaction_read_only') = 'off' as writes,
              '0' not in (current_setting('statement_timeout'),
                current_setting('idle_in_transaction_session_timeout')) as "isBounded"`,
    )
    const number = Number(row?.version)
    const [major, minor] = [Math.floor(number / 10_000), number % 10_000]
    const name = `PostgreSQL ${major}.${minor}`
    if (!row?.writes) {
      const fix =
        'point DATABASE_URL to the primary, with a role that may write (default_transaction_read_only).'
      return { status: 'fail', message: `${name} does not accept writes.`, fix }
    }
    if (major < oldestPostgres) {
      const fix = `upgrade it to ${oldestPostgres} or newer.`
      return { status: 'fail', message: `${name} answers.`, fix }
    }
    const full = await database.unit(takeRoom(database)).then(
      () => undefined,
      (error: Error) => error,
    )
    if (isDiskFull(full)) {
      const fix = 'free or add disk space: requests that write to the database get 503.'
      return {
        status: 'fail',
        message: `${name} has no disk space: ${describeFailure(full)}.`,
        fix,
      }
    }
    const pooler = databaseUrl === undefined ? 'none' : await findPooler(databaseUrl)
    const lent = pooler === 'none' ? '' : ' through a pooler in transaction mode'
    if (pooler === 'per transaction, unprepared' && databasePrepare) {
      const message = `${name} answers${lent}, which does not support prepared statements.`
      const fix =
        'set DATABASE_PREPARE=off, or set max_prepared_statements of PgBouncer 1.21 or newer.'
      return { status: 'fail', message, fix }
    }
    if (databaseUrl !== undefined && !row.isBounded) {
      const message = `${name} answers${lent}, but statements and idle transactions have no time limit.`
      const fix =
        'set statement_timeout and idle_in_transaction_session_timeout for the role (docs/deployment.md).'
      return { status: 'warn', message, fix }
    }
    return { status: 'ok', message: `${name} answers${lent}.` }
  },

  async migrations({ database }) {
    const { pending, unknown, indexes } = await migrationState(database.dataSource)
    const lacking = [...pending, ...indexes]
    if (lacking.length > 0) {
      const message = `Pending: ${summaryOf(lacking)}.`
      return { status: 'fail', message, fix: 'run "npm run keyturn -- migrate".' }
    }
    const newer = `The schema is from a later release, but compatible: ${unknown.join(', ')}.`
    return unknown.length > 0
      ? { status: 'warn', message: newer, fix: 'finish the upgrade or the rollback.' }
      : { status: 'ok', message: 'The schema is up to date.' }
  },

  async 'short-lived store'({ shortLived, config }) {
    const where = config.redis ? 'Redis' : 'Postgres'
    return shortLived.ping().then(
      () => ({ status: 'ok', message: `${where} answers.` }),
      (error: unknown) => ({
        status: 'fail',
        message: `${describeFailure(error)}.`,
        fix: `check that it is running, ${config.redis ? 'REDIS_URL' : 'DATABASE_URL'} and the network.`,
      }),
    )
  },

  async 'key-encryption key'({ tenants, signing, sealer, keyRotation }) {
    await keyRotation.check()
    const fault = keyRotation.fault()
    if (fault !== undefined) {
      return { status: 'warn', message: fault, fix: 'see docs/key-encryption-key.md.' }
    }
    const others = [...(await keyRotation.survey())].filter(([id]) => id !== sealer.keyId)
    if (others.length > 0) {
      const counts = others.map(([id, count]) => `${count} under key ${id}`).join(', ')
      return {
        status: 'warn',
        message: `The current key is ${sealer.keyId}, but secrets are still sealed under others: ${counts}.`,
        fix: 'run "npm run keyturn -- keys rotate-kek".',
      }
    }
    // The most expensive check comes last; it also opens envelopes of an unfinished rotation.
    const secrets = await keyRotation.openAll()
    let keys = 0
    for (const { id } of await tenants.list()) keys += (await signing.open(id)).published.length
    const message = `It decrypts all secrets (${secrets}); signing keys (${keys}) are published.`
    return { status: 'ok', message }
  },

  async 'signing keys'({ tenants, signing, clock }) {
    await signing.check()
    const missing: string[] = []
    for (const { id } of await tenants.list()) {
      const active = (await signing.list(id)).filter(
        (key) => stateOf(key, clock.now()) === 'active',
      )
      const lacking = requiredAlgs.filter((alg) => !active.some((key) => key.alg === alg))
      missing.push(...lacking.map((alg) => `${alg} (tenant ${id})`))
    }
    return missing.length === 0
      ? { status: 'ok', message: `Every tenant has active keys for ${requiredAlgs.join(' and ')}.` }
      : {
          status: 'fail',
          message: `There is no active key for ${missing.join(', ')}.`,
          fix: 'start the server ("npm start"): it creates the keys.',
        }
  },

  clients: examineClients,

  mail: async ({ mail, config }) =>
    config.smtpUrl !== undefined
      ? { status: 'ok', message: `Mail is sent through ${new URL(config.smtpUrl).host}.` }
      : mail.isOn
        ? { status: 'ok', message: `Mail is written to ${config.dataDir}/mail and not sent.` }
        : {
            status: 'warn',
            message: 'Mail is not sent: users cannot reset a password by mail.',
            fix: 'set SMTP_URL.',
          },

  async clock({ database, clock }) {
    const asked = performance.now()
    const [row] = await database.query<{ now: string }>(
      'select (extract(epoch from clock_timestamp()) * 1000)::bigint::text as now',
    )
    const half = (performance.now() - asked) / 2
    const skew = Math.round(Number(row?.now) + half - (clock.now() - clock.offset))
    const message = `The clocks of this machine and Postgres are ${Math.abs(skew)} ms apart.`
    return Math.abs(skew) < tolerableSkew
      ? { status: 'ok', message }
      : { status: 'fail', message, fix: 'synchronise the clocks of both machines with NTP.' }
  },
}
