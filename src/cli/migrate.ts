import { z } from 'zod'
import { assertFits, migrate, migrationState, summaryOf } from '../storage/migrate.ts'
import type { Command } from './command.ts'

const input = z.strictObject({ check: z.boolean() })

interface Output {
  applied: string[]
  pending: string[]
  check: boolean
}

/**
 * `migrate`: `{ applied, pending, check }`, names of migrations, and of indexes that are still to be made; with `--check`
 * nothing is applied. Embedded storage migrates itself.
 */
export const migrateCommand: Command<z.infer<typeof input>, Output> = {
  input,
  beforeMigrations: true,
  prepare: ({ options }) => ({ check: options['check'] === true }),
  async execute({ database: { dataSource } }, { check }) {
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
