import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import type { Config } from '../../config/config.ts'
import { loadConfig } from '../../config/load.ts'
import { strangeDetail } from '../../src/audit/audit.ts'
import { type Core, openCore } from '../../src/core.ts'
import { createLog } from '../../src/log.ts'
import { startServer } from '../../src/server.ts'
import type { Identity } from './certificates.ts'
import { temporaryFolder } from './child.ts'
import { freePort } from './free-port.ts'
import { services, servicesFound } from './root-hooks.ts'
import type { Services } from './services.ts'
import { sharedTemplates, templateName } from './templates.ts'
import { travellingClock } from './time-travel.ts'
import { dump, secretsIn } from './witness.ts'

/** Where a booted server keeps its state. */
export type StorageKind = 'embedded' | 'services'

export interface TestServer {
  kind: StorageKind
  issuer: string
  /** The client certificate that callers present. */
  identity?: Identity | undefined
  core: Core
  /** The environment for a second node on the same storage. */
  env: Record<string, string>
  /** Everything that was logged, at trace level. */
  logged(): string
  /** Stops it; fails if its stores or its log contain a secret that was used (architecture §5, C19). */
  stop(): Promise<void>
}

/** The same key for all, so that a template can be copied. */
export const testKey = Buffer.alloc(32, 7).toString('base64')

const common = {
  KEY_ENCRYPTION_KEY: testKey,
  LOG_LEVEL: 'trace',
  OPERATOR_EMAIL: 'operator@example.com',
  // All requests come from one address; tests of rate limits turn them on.
  RATE_LIMITS: 'off',
  // The lowest allowed value: each process start makes hashes, too.
  ARGON2_ITERATIONS: '2',
}

/** Made once per run. */
let templateFolder: Promise<string> | undefined
let templateDatabase: Promise<string> | undefined
let databases = 0

/**
 * The configuration of a server in this process. Password hashes cost almost nothing there, less than settings allow,
 * unless `env` has ARGON2_MEMORY_KIB, or an ARGON2_ITERATIONS other than the tests' default.
 */
export function configFrom(env: Record<string, string>): Config {
  const config = loadConfig(env)
  const { ARGON2_MEMORY_KIB: memory, ARGON2_ITERATIONS: iterations } = env
  if (memory !== undefined || iterations !== common.ARGON2_ITERATIONS) return config
  return { ...config, argon2MemoryKib: 64, argon2Iterations: 1 }
}

async function openFrom(env: Record<string, string>, lines: string[]): Promise<Core> {
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const config = configFrom(env)
  return openCore(config, createLog({ level: config.logLevel, destination }), {
    schema: 'migrate',
    clock: travellingClock(),
  })
}

/** A data folder after its first start. @param folder an empty one */
export async function makeTemplateFolder(folder: string): Promise<void> {
  const core = await openFrom({ ...common, DATA_DIR: folder, KEYS_DIR: folder }, [])
  await core.firstStart()
  // No test creates databases in it; without these files it is copied in half the time.
  for (const name of ['template1', 'template0']) {
    await core.database.query(`alter database ${name} is_template false`)
    await core.database.query(`drop database ${name}`)
  }
  await core.close()
}

/** A database after its first start. @param name of one without a table */
export async function makeTemplateDatabase({ databaseUrl }: Services, name: string): Promise<void> {
  const folder = await temporaryFolder('template')
  const DATABASE_URL = databaseUrl(name)
  const core = await openFrom({ ...common, DATA_DIR: folder, KEYS_DIR: folder, DATABASE_URL }, [])
  await core.firstStart()
  await core.close()
}

async function ownTemplateFolder(): Promise<string> {
  const folder = await temporaryFolder('template')
  await makeTemplateFolder(folder)
  return folder
}

async function ownTemplateDatabase(): Promise<string> {
  await runningServices().createDatabase(templateName)
  await makeTemplateDatabase(runningServices(), templateName)
  return templateName
}

function runningServices(): Services {
  const running = services()
  if (!running) throw new Error('Postgres and Redis are not running')
  return running
}

/** A database without a table, and a Redis, as environment variables. @param template a database to copy */
export async function emptyStorage(template?: string): Promise<Record<string, string>> {
  const running = runningServices()
  const folder = await temporaryFolder('data')
  const number = databases++
  const name = `keyturn_${process.pid}_${number}`
  await running.createDatabase(name, template)
  return {
    ...common,
    DATA_DIR: folder,
    KEYS_DIR: folder,
    DATABASE_URL: running.databaseUrl(name),
    REDIS_URL: running.redisUrl(number),
  }
}

/** Storage of a kind after its first start, as environment variables. */
export async function freshStorage(kind: StorageKind): Promise<Record<string, string>> {
  if (kind === 'services') {
    templateDatabase ??= sharedTemplates ? Promise.resolve(templateName) : ownTemplateDatabase()
    return emptyStorage(await templateDatabase)
  }
  const folder = await temporaryFolder('data')
  templateFolder ??= sharedTemplates
    ? Promise.resolve(sharedTemplates.embedded)
    : ownTemplateFolder()
  // Six hundred files: in one go it takes a tenth of what it takes one by one.
  cpSync(join(await templateFolder, 'postgres'), join(folder, 'postgres'), { recursive: true })
  return { ...common, DATA_DIR: folder, KEYS_DIR: folder }
}

/** Starts a server in this process. @param settings environment variables beside those of its storage */
export async function boot(
  kind: StorageKind,
  settings: Record<string, string> = {},
): Promise<TestServer> {
  return bootOn(kind, { ...(await freshStorage(kind)), ...settings })
}

/**
 * The server of a suite, from before its tests until after them; its members are there by then.
 * @param prepare what is done once it runs, one after the other
 */
export function booted(
  kind: StorageKind,
  settings: Record<string, string> = {},
  ...prepare: Array<(server: TestServer) => Promise<unknown>>
): TestServer {
  const server: Partial<TestServer> = {}
  before(async () => {
    Object.assign(server, await boot(kind, settings))
    for (const step of prepare) await step(server as TestServer)
  })
  after(() => server.stop?.())
  return server as TestServer
}

/**
 * The same on a storage that there is already.
 * @param env as `freshStorage` or an earlier `TestServer` has it
 * @param port which an earlier one had, for browsers that were there
 */
export async function bootOn(
  kind: StorageKind,
  env: Record<string, string>,
  port?: string,
): Promise<TestServer> {
  const lines: string[] = []
  const core = await openFrom({ PORT: port ?? String(await freePort()), ...env }, lines)
  try {
    await core.firstStart()
    const server = await startServer(core)
    return {
      kind,
      issuer: core.config.issuer,
      core,
      env,
      logged: () => lines.join(''),
      async stop() {
        await server.stop()
        const kept = await dump(core.database, env['REDIS_URL'])
        await core.close()
        const found = secretsIn(kept + lines.join(''))
        if (found.length > 0) throw new Error(`secrets stored or logged: ${found.join(', ')}`)
        const strange = lines.filter((line) => line.includes(strangeDetail))
        if (strange.length > 0) throw new Error(strange.join(''))
      },
    }
  } catch (error) {
    await core.close()
    throw error
  }
}

/** Defines the same suite once for each kind of storage that this machine has. */
export function onEachStorage(title: string, define: (kind: StorageKind) => void): void {
  const kinds: StorageKind[] = servicesFound() ? ['embedded', 'services'] : ['embedded']
  for (const kind of kinds) describe(`${title} [${kind}]`, () => define(kind))
}
