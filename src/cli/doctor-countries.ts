import type { Config } from '../../config/config.ts'
import { createClock } from '../clock.ts'
import type { Log } from '../log.ts'
import { openCountries } from '../places/countries.ts'
import type { Check } from './check.ts'
import { describeFailure } from './failure.ts'

/** Milliseconds after which the file is outdated, as too many networks have moved. */
const staleAfter = 90 * 24 * 3600 * 1000

/** Checks the country database, if configured. */
export async function checkCountries({ geoipDatabase }: Config, log: Log): Promise<Check[]> {
  if (geoipDatabase === undefined) return []
  const name = 'countries'
  try {
    const { about } = await openCountries(geoipDatabase, log)
    if (!about) return []
    const { type, builtAt } = about
    const message = `${geoipDatabase} is ${type} of ${builtAt.toISOString().slice(0, 10)}.`
    return createClock().now() - builtAt.getTime() < staleAfter
      ? [{ name, status: 'ok', message }]
      : [{ name, status: 'warn', message, fix: 'replace it with a newer file.' }]
  } catch (error) {
    const message = describeFailure(error).replace(/[^.]$/, '$&.')
    return [{ name, status: 'fail', message, fix: 'replace it with a complete .mmdb file.' }]
  }
}
