/** Writes the reference of all settings beside this file. Run it after a change of the table. */
import { writeFileSync } from 'node:fs'
import { configReference } from './reference.ts'

writeFileSync(new URL('reference.md', import.meta.url), configReference())
