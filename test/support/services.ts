import pg from 'pg'
import { findPostgres, findProgram } from './binaries.ts'
import { type Postgres, query, startPostgres } from './postgres.ts'
import { type Redis, startRedis } from './redis.ts'

/** Real Postgres and Redis, started for this test run alone. */
export interface Services {
  readonly postgres: Postgres
  readonly redis: Redis
  databaseUrl(name: string): string
  redisUrl(database: number): string
  /** Runs one statement in the maintenance database and returns the rows. */
  admin(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>
  /** Requires that nobody is connected to the template. */
  createDatabase(name: string, template?: string): Promise<void>
  /** Closes its connections and drops it; does nothing when it does not exist. */
  dropDatabase(name: string): Promise<void>
  /** Stops both and removes their files. */
  stop(): Promise<void>
}

/**
 * Starts both services on free ports of 127.0.0.1, from the programs that the machine has;
 * `undefined` when one is missing (`missingPrograms` names it).
 *
 * @param cluster one of Postgres to begin with, instead of an empty one
 * @throws Error with the server's output when a program is there but does not come up.
 */
export async function startServices(cluster?: string): Promise<Services | undefined> {
  const binaries = findPostgres()
  const program = findProgram('redis-server')
  if (binaries === undefined || program === undefined) return undefined
  const redis = await startRedis(program)
  const postgres = await startPostgres(binaries, cluster).catch(async (error: unknown) => {
    await redis.destroy()
    throw error
  })
  const admin: Services['admin'] = (sql, values) =>
    query(postgres.databaseUrl('postgres'), sql, values)
  return {
    postgres,
    redis,
    databaseUrl: postgres.databaseUrl,
    redisUrl: redis.redisUrl,
    admin,
    async createDatabase(name, template = 'template1') {
      const [copy, original] = [name, template].map((each) => pg.escapeIdentifier(each))
      await admin(`CREATE DATABASE ${copy} TEMPLATE ${original}`)
    },
    async dropDatabase(name) {
      await admin(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)} WITH (FORCE)`)
    },
    async stop() {
      await Promise.all([postgres.destroy(), redis.destroy()])
    },
  }
}
