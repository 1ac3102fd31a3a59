import { setTimeout as pause } from 'node:timers/promises'
import { type DataSource, MigrationExecutor, type QueryRunner } from 'typeorm'
import { DomainError } from '../errors.ts'
import { buildIndexes, indexesOf, missingIndexes } from './indexes.ts'
import { isLockTimeout } from './violations.ts'

/** The state of the schema relative to this version of the software. */
export interface MigrationState {
  pending: string[]
  /** Migrations in the database that this version does not know: a newer version applied them. */
  unknown: string[]
  /** Capabilities that the schema requires of a process and that this version lacks. */
  lacking: string[]
  /**
   * Indexes that a migration left to build afterwards and that are missing: the build was interrupted. Empty for a
   * newer schema.
   */
  indexes: string[]
}

/** Key of the advisory lock: any 64-bit number, but the same in all versions. */
const lock = 4_917_260_331

/** Most milliseconds that a migration makes requests wait for a table lock. */
const lockPatience = 400
/** Milliseconds between two tries, in which the requests that queued behind it are served. */
const betweenTries = 1000
/** About five minutes of tries. */
const mostTries = 200
/** Milliseconds. */
const betweenLooks = 100

/**
 * Applies pending migrations and builds missing indexes. One node does so at a time; the others wait and then find
 * nothing to do.
 * @returns names of the migrations that were applied
 * @throws DomainError `storage_newer` when a newer version has changed the schema
 */
export async function migrate(dataSource: DataSource): Promise<string[]> {
  return withRunner(dataSource, async (runner) => {
    // Neither a statement on a large table nor the wait for another node may time out.
    await runner.query('set statement_timeout = 0')
    await takeTurn(runner)
    try {
      const { unknown } = await assertNotNewer(dataSource, runner)
      const applied = await applyPending(dataSource, runner)
      if (unknown.length === 0) await buildIndexes(runner, indexesOf(dataSource.migrations))
      return applied
    } finally {
      await runner.query('select pg_advisory_unlock($1)', [lock])
      await runner.query('reset statement_timeout')
    }
  })
}

/**
 * Polls for the lock. A statement that blocks on it would be an open transaction, for which the node that builds an
 * index waits in turn: a deadlock.
 */
async function takeTurn(runner: QueryRunner): Promise<void> {
  for (;;) {
    const [row] = await runner.query('select pg_try_advisory_lock($1) as mine', [lock])
    if (row.mine) return
    await pause(betweenLooks)
  }
}

/**
 * Applies all pending migrations in one transaction. While a statement waits for a table lock, all later readers and
 * writers of the table queue behind it: so it gives up after `lockPatience`, rolls back and starts again.
 */
async function applyPending(dataSource: DataSource, runner: QueryRunner): Promise<string[]> {
  for (let tries = 1; ; tries++) {
    try {
      await runner.query(`set lock_timeout = '${lockPatience}ms'`)
      const applied = await new MigrationExecutor(dataSource, runner).executePendingMigrations()
      return applied.map(({ name }) => name)
    } catch (error) {
      if (!isLockTimeout(error) || tries === mostTries) throw error
      await pause(betweenTries)
    } finally {
      await runner.query('reset lock_timeout')
    }
  }
}

/**
 * Refuses a schema that this version cannot work with. The schema of a newer release may fit: nodes of the previous
 * release restart during a rolling upgrade, or after a rollback.
 * @returns migrations that this version does not know
 * @throws DomainError `storage_newer` or `migrations_pending`
 */
export async function assertMigrated(dataSource: DataSource): Promise<string[]> {
  return withRunner(dataSource, async (runner) => {
    const { pending, unknown } = await assertNotNewer(dataSource, runner)
    if (pending.length === 0) return unknown
    const detail = `The database lacks migrations: ${summaryOf(pending)}. Run "keyturn migrate" first.${await unseenIn(runner)}`
    throw new DomainError('migrations_pending', { detail })
  })
}

/** Most names to list one by one; an empty database lacks all of them. */
const mostNamed = 5

/** Lists migrations or indexes in a message. */
export function summaryOf(names: readonly string[]): string {
  return names.length <= mostNamed
    ? names.join(', ')
    : `${names.length} migrations, from ${names[0]} to ${names.at(-1)}`
}

/**
 * A hint for a role that cannot see a migrated schema: it is not on its `search_path`, or lacks the USAGE privilege.
 */
async function unseenIn(runner: QueryRunner): Promise<string> {
  const rows: Array<{ schema: string }> = await runner.query(
    // Other software has a table of this name, too.
    `select relnamespace::regnamespace::text as schema from pg_class named
     where relname = 'schema_migrations' and relkind = 'r' and to_regclass('schema_migrations') is null
       and exists (select from pg_class own
         where own.relnamespace = named.relnamespace and own.relname = 'denials' and own.relkind = 'r')`,
  )
  const schemas = rows.map(({ schema }) => schema).join(', ')
  return schemas === ''
    ? ''
    : ` A schema that is not visible to the role of DATABASE_URL has migrations (${schemas}): grant the role usage, or set its search_path.`
}

export function migrationState(dataSource: DataSource): Promise<MigrationState> {
  return withRunner(dataSource, (runner) => readState(dataSource, runner))
}

async function assertNotNewer(
  dataSource: DataSource,
  runner: QueryRunner,
): Promise<MigrationState> {
  const state = await readState(dataSource, runner)
  assertFits(state)
  return state
}

/** @throws DomainError `storage_newer` for a schema that only later versions can work with, or change */
export function assertFits({ unknown, lacking, pending }: MigrationState): void {
  // Two versions that have each changed the schema without the other are an untested combination.
  const apart = unknown.length > 0 ? pending : []
  if (lacking.length === 0 && apart.length === 0) return
  const why =
    lacking.length > 0
      ? `and this version does not work with ${lacking.join(', ')}`
      : `and lacks ${apart.join(', ')} of this version`
  throw new DomainError('storage_newer', {
    detail:
      `The database was migrated by a newer version (${unknown.join(', ')}), ${why}. ` +
      'Start that version, or restore a backup from before the upgrade.',
  })
}

async function readState(dataSource: DataSource, runner: QueryRunner): Promise<MigrationState> {
  const known = dataSource.migrations.map(({ name }) => name as string)
  const applied = await namesIn(runner, 'schema_migrations', 'name', 'id')
  const needed = await namesIn(runner, 'schema_needs', 'migration', 'migration')
  const unknown = applied.filter((name) => !known.includes(name))
  return {
    pending: known.filter((name) => !applied.includes(name)),
    unknown,
    lacking: needed.filter((name) => !known.includes(name)),
    // A missing index may have been dropped by a later release.
    indexes:
      unknown.length > 0 ? [] : await missingIndexes(runner, indexesOf(dataSource.migrations)),
  }
}

/** The names in a table that may not exist yet. */
async function namesIn(
  runner: QueryRunner,
  table: string,
  column: string,
  order: string,
): Promise<string[]> {
  const [there] = await runner.query('select to_regclass($1) is not null as exists', [table])
  if (!there.exists) return []
  const rows: Array<{ name: string }> = await runner.query(
    `select ${column} as name from ${table} order by ${order}`,
  )
  return rows.map(({ name }) => name)
}

async function withRunner<T>(
  dataSource: DataSource,
  work: (runner: QueryRunner) => Promise<T>,
): Promise<T> {
  const runner = dataSource.createQueryRunner()
  try {
    return await work(runner)
  } finally {
    await runner.release()
  }
}
