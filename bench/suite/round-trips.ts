import { postgresConversation } from '../../test/support/postgres-wire.ts'
import { redisConversation } from '../../test/support/redis-wire.ts'
import { type Relay, startTcpProxy, type TcpProxy } from '../../test/support/tcp-proxy.ts'

/** Traffic to a store. */
interface Said {
  /** How often a request was sent after a response, on one connection: the number of waits. */
  trips: number
  statements: string[]
}

/** Proxies between a server and its stores that count round trips. */
export interface Counter {
  /** The environment of a server that reaches its stores through the proxies. */
  env: Record<string, string>
  /** Traffic since the last call. */
  take(): { sql: Said; redis: Said }
  stop(): Promise<void>
}

/** Requests sent together, or before the response to the first, count as one round trip. */
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
