import { readFileSync } from 'node:fs'
import { DomainError } from '../src/errors.ts'
import { addressFaults } from './address.ts'
import { type Config, type ConfigKey, settings } from './config.ts'
import { misspelt } from './misspelt.ts'
import { observabilityFaults } from './observability.ts'
import { ordered } from './order.ts'
import { libraryEnvironment, pkcs11Faults } from './pkcs11.ts'
import { contentOf, Fault, type Setting } from './setting.ts'
import { otelWithoutEffect, tracingFaults } from './tracing.ts'

/** All faults of the configuration; `message` has one line for each. */
export class ConfigError extends DomainError {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super('config_invalid', { detail: faults.join('\n') })
    this.faults = faults
  }
}

/**
 * Reads the configuration from the environment, which nothing else reads. An empty variable counts as absent, and
 * surrounding white space is trimmed. A secret may be in a file instead, named by `<NAME>_FILE`.
 * @returns deeply frozen
 * @throws ConfigError with every fault, never with the value of a secret
 */
export function loadConfig(
  env: NodeJS.ProcessEnv = process.env,
  readFile: (path: string) => string = (path) => readFileSync(path, 'utf8'),
): Config {
  const faults: string[] = []
  const values: Partial<Record<ConfigKey, unknown>> = {}

  for (const key of Object.keys(settings) as ConfigKey[]) {
    const setting = settings[key]
    try {
      const given = textOf(setting, env, readFile) ?? defaultOf(setting, values)
      values[key] = given === undefined ? undefined : parse(setting, given)
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault
      faults.push(fault.message)
    }
  }
  faults.push(...ordered.flatMap(([lower, upper]) => faultOfOrder(lower, upper, values)))
  faults.push(...addressFaults(values, readFile))
  faults.push(...pkcs11Faults(values))
  faults.push(...observabilityFaults(values))
  faults.push(...tracingFaults(env, readFile))

  faults.push(...faultsOfWorkers(values))
  if (faults.length > 0) throw new ConfigError(faults)
  return deepFreeze({
    ...values,
    pkcs11Variables: libraryEnvironment(values.pkcs11Environment as string[], env),
    otelWithoutEffect: otelWithoutEffect(env),
    misspelt: misspelt(env),
  }) as Config
}

/** The URL without credentials and query, to be displayed. */
export function maskUrl(url: string): string {
  return url.replace(/\/\/[^/\s]*@/, '//***@').replace(/\?.*$/s, '?***')
}

function textOf(
  { env: name, secret }: Setting,
  env: NodeJS.ProcessEnv,
  readFile: (path: string) => string,
): string | undefined {
  const direct = env[name]?.trim() || undefined
  const path = secret && env[`${name}_FILE`]?.trim()
  if (!path) return direct
  if (direct !== undefined)
    throw new Fault(`${name}: expected either ${name} or ${name}_FILE, got both`)

  return contentOf(`${name}_FILE`, path, readFile)
}

function defaultOf(setting: Setting, earlier: Record<string, unknown>): string | undefined {
  return typeof setting.default === 'object' ? setting.default.from(earlier) : setting.default
}

/** Suppresses the schema library's messages, which say less than ours. */
const inOurWords = { error: () => '' }

function parse({ env: name, schema, secret }: Setting, given: string): unknown {
  const result = schema.safeParse(given, inOurWords)
  if (result.success) return result.data
  const came = secret ? 'a value that is not shown here' : JSON.stringify(maskUrl(given))
  const why = result.error.issues[0]?.message
  const reason = why && !secret ? ` (${why})` : ''
  throw new Fault(`${name}: expected ${schema.description}, got ${came}${reason}`)
}

function faultOfOrder(
  lower: ConfigKey,
  upper: ConfigKey,
  { [lower]: low, [upper]: high }: Partial<Record<ConfigKey, unknown>>,
): string[] {
  if (typeof low !== 'number' || typeof high !== 'number' || low <= high) return []
  return [`${settings[lower].env}: expected at most ${settings[upper].env} (${high}), got ${low}`]
}

/** Embedded Postgres allows only one process. */
function faultsOfWorkers(values: Partial<Record<ConfigKey, unknown>>): string[] {
  const { workers } = values
  const embedded = 'databaseUrl' in values && values.databaseUrl === undefined
  if (!embedded || typeof workers !== 'number' || workers === 1) return []
  return [
    `WORKERS: expected 1 without DATABASE_URL, because embedded storage allows one process only, got ${workers}`,
  ]
}

function deepFreeze<T>(value: T): T {
  // The elements of a Buffer cannot be frozen.
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  for (const member of Object.values(value)) deepFreeze(member)
  return Object.freeze(value)
}
