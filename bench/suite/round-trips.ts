import { postgresConversation } from '../../test/support/postgres-wire.ts'
import { redisConversation } from '../../test/support/redis-wire.ts'
import { type Relay, startTcpProxy, type TcpProxy } from '../../test/support/tcp-proxy.ts'

/** What has been said to a store. */
interface Said {
  /** How often somebody spoke after the store had, on one of its connections: what was waited for. */
  trips: number
  statements: string[]
}

/** Stands between a server and its stores, and counts. */
export interface Counter {
  /** The environment of a server whose stores are reached through it. */
  env: Record<string, string>
  /** What was said since the last call. */
  take(): { sql: Said; redis: Said }
  stop(): Promise<void>
}

/** Commands and queries that are sent in one go, or before the answer to the first, are one round trip. */
async function count(
  url: URL,
  conversation: typeof postgresConversation,
): Promise<{ proxy: TcpProxy; take(): Said }> {
  let said: Said = { trips: 0, statements: [] }
  const proxy = await startTcpProxy(Number(url.port), (link): Relay => {
    const { requests } = conversation()
    let answered = true
    return {
      fromClient(bytes) {
        if (answered) said.trips++
        answered = false
        for (const { statement } of requests(bytes)) if (statement) said.statements.push(statement)
        link.toServer(bytes)
      },
      fromServer(bytes) {
        answered = true
        link.toClient(bytes)
      },
    }
  })
  return {
    proxy,
    take() {
      const taken = said
      said = { trips: 0, statements: [] }
      return taken
    },
  }
}

/** @param env with `DATABASE_URL` and `REDIS_URL` */
export async function startCounter(env: Record<string, string>): Promise<Counter> {
  const database = new URL(env['DATABASE_URL'] ?? '')
  const cache = new URL(env['REDIS_URL'] ?? '')
  const sql = await count(database, postgresConversation)
  const redis = await count(cache, redisConversation)
  database.port = String(sql.proxy.port)
  cache.port = String(redis.proxy.port)
  return {
    env: { ...env, DATABASE_URL: database.href, REDIS_URL: cache.href },
    take: () => ({ sql: sql.take(), redis: redis.take() }),
    async stop() {
      await Promise.all([sql.proxy.stop(), redis.proxy.stop()])
    },
  }
}
