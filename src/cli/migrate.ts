import { z } from 'zod'
import { DomainError } from '../errors.ts'
import { assertFits, migrate, migrationState, summaryOf } from '../storage/migrate.ts'
import { findPooler } from '../storage/pooler.ts'
import type { Command } from './command.ts'

const input = z.strictObject({ check: z.boolean() })

interface Output {
  applied: string[]
  pending: string[]
  check: boolean
}

/**
 * `migrate`: `{ applied, pending, check }`, names of migrations, and of indexes that are still to be made; with
 * `--check` nothing is applied. Embedded storage migrates itself.
 */
export const migrateCommand: Command<z.infer<typeof input>, Output> = {
  input,
  beforeMigrations: true,
  prepare: ({ options }) => ({ check: options['check'] === true }),
  async execute({ database: { dataSource }, config: { databaseUrl } }, { check }) {
    if (!check && databaseUrl !== undefined) await assertDirect(databaseUrl)
    const applied = check ? [] : await migrate(dataSource)
    const state = await migrationState(dataSource)
    assertFits(state)
    return { applied, pending: [...state.pending, ...state.indexes], check }
  },
  render({ applied, pending }) {
    if (applied.length > 0) return `Applied: ${summaryOf(applied)}.`
    if (pending.length > 0) return `Pending: ${summaryOf(pending)}. "keyturn migrate" applies them.`
    return 'The database is up to date.'
  },
  failed: ({ pending }) => pending.length > 0,
}

/** @throws DomainError `config_invalid` behind a pooler, which would lend the session that holds the lock to others */
async function assertDirect(databaseUrl: string): Promise<void> {
  if ((await findPooler(databaseUrl)) === 'none') return
  const detail =
    'DATABASE_URL: expected a direct connection to Postgres, got a pooler in transaction mode: ' +
    'a migration needs a session-level lock. Run "keyturn migrate" with the address of Postgres itself.'
  throw new DomainError('config_invalid', { detail })
}
