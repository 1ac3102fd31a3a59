import { eventually } from '../support/eventually.ts'
import { type NodeProcess, startNode } from '../support/node-process.ts'
import { postgresConversation } from '../support/postgres-wire.ts'
import { redisConversation } from '../support/redis-wire.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { type Background, createGate, type Gate } from './gate.ts'

/** A node that hears of its stores only through proxies; the first request at which it is killed is its last. */
export interface Victim {
  readonly url: string
  readonly gate: Gate
  /** SIGKILL, unless it has happened; waits until the stores have lost every connection of it. */
  stop(): Promise<void>
}

/** The same address by way of another port of this machine. */
function through(url: string | undefined, port: number): string {
  const there = new URL(url ?? '')
  there.host = `127.0.0.1:${port}`
  return there.href
}

/** @param env of a node beside it; both stores are named by URL */
export async function startVictim(
  env: Readonly<Record<string, string>>,
  background?: Background,
): Promise<Victim> {
  let node: NodeProcess | undefined
  const gate = createGate(() => node?.signal('SIGKILL'), background)
  const portOf = (name: string) => Number(new URL(env[name] ?? '').port)
  const proxies = await Promise.all([
    startTcpProxy(portOf('DATABASE_URL'), (link) =>
      gate.relay('postgres', postgresConversation(), link),
    ),
    startTcpProxy(portOf('REDIS_URL'), (link) => gate.relay('redis', redisConversation(), link)),
  ])
  const [postgres, redis] = proxies
  const close = async (): Promise<void> => {
    await Promise.all(proxies.map((proxy) => proxy.stop()))
  }
  try {
    const DATABASE_URL = through(env['DATABASE_URL'], postgres.port)
    const REDIS_URL = through(env['REDIS_URL'], redis.port)
    node = await startNode({ env: { ...env, DATABASE_URL, REDIS_URL } })
  } catch (error) {
    await close()
    throw error
  }
  const { url, stop } = node
  return {
    url,
    gate,
    async stop() {
      await stop('SIGKILL')
      await close()
    },
  }
}

/** So often the statement that an idle node repeats most must have come: all that comes every second has come, too. */
const ROUNDS = 5

/**
 * What a node says to Postgres when nobody asks it for anything that is there: it is watched while it answers for its
 * keys, which it has in memory, but which also makes it look after them.
 */
export async function learnBackground(victim: Victim): Promise<Background> {
  victim.gate.arm()
  const heard = await eventually('the idle node repeats itself', async () => {
    await (await fetch(`${victim.url}/jwks`)).arrayBuffer()
    const points = victim.gate.counted()
    return points.some(({ nth }) => nth >= ROUNDS) && points
  })
  const toRedis = heard.filter(({ store }) => store === 'redis')
  if (toRedis.length > 0) throw new Error('an idle node talks to Redis: the gate must learn that')
  return new Set(heard.map(({ text }) => text))
}
