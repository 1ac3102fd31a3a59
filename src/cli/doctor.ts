import { existsSync } from 'node:fs'
import type { Config } from '../../config/config.ts'
import { ConfigError, loadConfig } from '../../config/load.ts'
import { type DomainErrorCode, isDomainError } from '../errors.ts'
import { present } from '../present.ts'
import { type Check, type Diagnosis, diagnosisOf, renderDiagnosis } from './check.ts'
import type { Arguments, Io } from './command.ts'
import { checkCountries } from './doctor-countries.ts'
import { checkFolders } from './doctor-folders.ts'
import { checkIssuer } from './doctor-issuer.ts'
import { describeFailure } from './failure.ts'
import { perform } from './perform.ts'
import { adoptClockOffset } from './process-clock.ts'
import { commandLog } from './run.ts'

/**
 * Checks an installation and says what to fix. Storage is checked by the process that owns it, the rest by this one; a
 * part that cannot be checked never hides the others.
 * @returns the exit code: 1 when something failed
 */
export async function doctor(args: Arguments, io: Io): Promise<number> {
  const diagnosis = await diagnose(io)
  io.out(args.options['json'] ? JSON.stringify(diagnosis, null, 2) : renderDiagnosis(diagnosis))
  return diagnosis.ok ? 0 : 1
}

async function diagnose(io: Io): Promise<Diagnosis> {
  let config: Config
  try {
    config = loadConfig(io.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return diagnosisOf(
      error.faults.map((message) => ({
        name: 'configuration',
        status: 'fail',
        message: `${message}.`,
        fix: 'see config/reference.md.',
      })),
    )
  }
  await adoptClockOffset(config)
  return diagnosisOf([
    { name: 'configuration', status: 'ok', message: 'Every setting is valid.' },
    ...(await checkStorage(config, io)),
    ...(await checkFolders(config)),
    ...(await checkCountries(config, commandLog(config, io))),
    ...(await checkIssuer(config)),
  ])
}

async function checkStorage(config: Config, io: Io): Promise<Check[]> {
  if (config.databaseUrl === undefined && !existsSync(config.dataDir)) {
    const message = `${config.dataDir} does not exist yet.`
    const fix = 'start the server ("npm start"), or set DATA_DIR or DATABASE_URL.'
    return [{ name: 'storage', status: 'warn', message, fix }]
  }
  try {
    return (await perform('doctor storage', {}, { config, log: commandLog(config, io) })) as Check[]
  } catch (error) {
    const code = isDomainError(error) ? error.code : 'internal'
    const { name, fix } = remedies[code] ?? { name: 'storage' }
    const message = describeFailure(error).replace(/[^.]$/, '$&.')
    return [{ name, status: 'fail', message, ...present({ fix }) }]
  }
}

const remedies: Partial<Record<DomainErrorCode, { name: string; fix?: string }>> = {
  storage_unavailable: {
    name: 'storage',
    fix: 'check that it is running, DATABASE_URL, REDIS_URL and the network.',
  },
  config_invalid: { name: 'configuration', fix: 'see config/reference.md.' },
  storage_locked: { name: 'storage' },
  storage_newer: { name: 'migrations' },
  migrations_pending: { name: 'migrations' },
  key_encryption_key_invalid: {
    name: 'key-encryption key',
    fix: 'restore the key that this data was encrypted with, from your copy.',
  },
}
