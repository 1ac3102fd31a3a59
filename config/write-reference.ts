/**
 * Writes the reference of all settings (reference.md) and the table in the README. Run it after a change of the
 * settings.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { configReference, withSettingsTable } from './reference.ts'

writeFileSync(new URL('reference.md', import.meta.url), configReference())

const readme = new URL('../README.md', import.meta.url)
writeFileSync(readme, withSettingsTable(readFileSync(readme, 'utf8')))
