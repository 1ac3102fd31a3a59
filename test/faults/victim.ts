import { eventually } from '../support/eventually.ts'
import { type NodeProcess, startNode } from '../support/node-process.ts'
import { postgresConversation } from '../support/postgres-wire.ts'
import { redisConversation } from '../support/redis-wire.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'
import { type Background, createGate, type Gate } from './gate.ts'

/** A node that reaches its stores only through proxies; it is killed at the target statement. */
export interface Victim {
  readonly url: string
  readonly gate: Gate
  /** Sends SIGKILL unless the node is dead, and waits until the stores have lost all its connections. */
  stop(): Promise<void>
}

/** The same URL through another port of this machine. */
function through(url: string | undefined, port: number): string {
  const there = new URL(url ?? '')
  there.host = `127.0.0.1:${port}`
  return there.href
}

/** @param env of an undisturbed node; both stores are given by URL */
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

/** Repeats of its most frequent statement by which an idle node has sent all that it sends every second. */
const ROUNDS = 5

/**
 * Collects what a node sends to Postgres without a request that needs it. Meanwhile its keys are requested: it has them
 * in memory, but the request makes it refresh them.
 */
export async function learnBackground(victim: Victim): Promise<Background> {
  victim.gate.arm()
  const heard = await eventually('the idle node repeats its background statements', async () => {
    await (await fetch(`${victim.url}/jwks`)).arrayBuffer()
    const points = victim.gate.counted()
    return points.some(({ nth }) => nth >= ROUNDS) && points
  })
  const toRedis = heard.filter(({ store }) => store === 'redis')
  if (toRedis.length > 0) throw new Error('an idle node talks to Redis: the gate must learn that')
  return new Set(heard.map(({ text }) => text))
}
