import type { Load } from '../load/load.ts'
import type { Server } from '../servers/server.ts'
import type { Task } from './cases.ts'
import type { Counter } from './round-trips.ts'
import { outlineOf, supplyFor } from './supply.ts'

/** Round trips of one request, once everything that is cached is there. */
export interface RoundTrips {
  sql: number
  redis: number
  /** What was said in the request that is typical. */
  statements: { sql: string[]; redis: string[] }
}

/**
 * One request after another, and the fewest: what the server does by itself now and then falls out.
 * @param server reached through nothing, its stores through the counter
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
  if (!outline || !stock) throw new Error(`no supply for ${task.story}`)
  const all: ReturnType<Counter['take']>[] = []
  for (let i = 0; i <= requests; i++) {
    counter.take()
    const loop = { kind: 'closed', connections: 1, milliseconds: 10_000, most: 1 } as const
    const outcome = await load.run({ ...outline, stock, loop })
    stock = outcome.stock
    // The first fills caches, and a request that was refused sends less.
    if (i > 0 && outcome.answered === 1) all.push(counter.take())
  }
  if (all.length === 0) throw new Error(`no right answer to ${task.story}`)
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
