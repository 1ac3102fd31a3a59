import type { Load } from '../load/load.ts'
import type { Server } from '../servers/server.ts'
import type { Task } from './cases.ts'
import type { Counter } from './round-trips.ts'
import { outlineOf, supplyFor } from './supply.ts'

/** Round trips of one request with warm caches. */
export interface RoundTrips {
  sql: number
  redis: number
  /** The statements of a typical request. */
  statements: { sql: string[]; redis: string[] }
}

/**
 * Counts round trips, one request at a time, and takes the minimum, which excludes periodic work of the server.
 * @param server without a proxy in front, with its stores behind the counter
 */
export async function countRoundTrips(
  load: Load,
  server: Server,
  counter: Counter,
  task: Task,
  requests: number,
): Promise<RoundTrips> {
  const outline = outlineOf(server, task)
  let stock = await supplyFor(load, server, task, () => requests + 1)
  if (!outline || !stock) throw new Error(`no items for ${task.story}`)
  const all: ReturnType<Counter['take']>[] = []
  for (let i = 0; i <= requests; i++) {
    counter.take()
    const loop = { kind: 'closed', connections: 1, milliseconds: 10_000, most: 1 } as const
    const outcome = await load.run({ ...outline, stock, loop })
    stock = outcome.stock
    // The first request fills caches, and a refused request sends less.
    if (i > 0 && outcome.answered === 1) all.push(counter.take())
  }
  if (all.length === 0) throw new Error(`no correct response to ${task.story}`)
  const sql = Math.min(...all.map((one) => one.sql.trips))
  const redis = Math.min(...all.map((one) => one.redis.trips))
  const typical = all.find((one) => one.sql.trips === sql && one.redis.trips === redis) ?? all[0]
  return {
    sql,
    redis,
    statements: {
      sql: typical?.sql.statements ?? [],
      redis: typical?.redis.statements ?? [],
    },
  }
}
