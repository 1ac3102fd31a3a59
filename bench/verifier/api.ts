import { setTimeout as pause } from 'node:timers/promises'
import { createVerifier, type Policy, type Verifier } from '@keyturn/verifier'
import { percentile } from '../load/percentile.ts'
import type { Answer, Order, Settings, Way } from './protocol.ts'

/** The API of the benchmark, in its own process: verifies tokens at a rate and reports latencies and processor time. */
const { issuer, node, audience, clientId, clientSecret } = JSON.parse(
  process.argv[2] ?? '',
) as Settings

const credentials = { clientId, clientSecret }
const feed = { ...credentials, whenStale: 'refuse' } as const
const create = (more: object): Verifier =>
  createVerifier({
    issuer,
    audience,
    jwks: { whenUnreachable: 'accept' },
    fetch: (url, init) => fetch(url.replace(issuer, node), init),
    onFault: (error) => console.error(`api: ${error.message}`),
    ...more,
  })
const ways: Record<Way, [Verifier, Policy]> = {
  offline: [create({}), { check: 'offline' }],
  poll: [create({ feed: { ...feed, mode: 'poll', maxStaleness: 10 } }), { check: 'feed' }],
  stream: [create({ feed: { ...feed, mode: 'stream', maxStaleness: 20 } }), { check: 'feed' }],
  introspect: [create({ introspection: credentials }), { check: 'introspect' }],
}

/** Milliseconds between two bursts. */
const every = 10

async function isIn(way: Way, token: string): Promise<boolean> {
  const [verifier, policy] = ways[way]
  return verifier.verify(token, policy).then(
    () => true,
    () => false,
  )
}

async function verifyAt(way: Way, token: string, rate: number, seconds: number): Promise<Answer> {
  const [verifier] = ways[way]
  const latencies: number[] = []
  const running = new Set<Promise<void>>()
  let refused = 0
  const [cpu, requests, startedAt] = [
    process.cpuUsage(),
    verifier.status().requests,
    performance.now(),
  ]
  for (let burst = 1; burst <= (seconds * 1000) / every; burst++) {
    for (let i = 0; i < (rate * every) / 1000; i++) {
      const before = performance.now()
      const one = isIn(way, token).then((isGood) => {
        latencies.push(performance.now() - before)
        if (!isGood) refused++
      })
      running.add(one)
      void one.then(() => running.delete(one))
    }
    await pause(Math.max(0, startedAt + burst * every - performance.now()))
  }
  await Promise.all(running)
  const spent = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpu)
  return {
    perSecond: latencies.length / (spent / 1000),
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    cpu: (user + system) / latencies.length,
    requests: (verifier.status().requests - requests) / (spent / 1000),
    refused,
  }
}

/**
 * Verifies valid tokens at a rate, and in each burst one that is about to be revoked. @returns when each way refused it
 */
async function watch(token: string, good: string, rate: number): Promise<Record<string, number>> {
  const refusedAt: Record<string, number> = {}
  while (!('poll' in refusedAt && 'stream' in refusedAt)) {
    const next = performance.now() + every
    for (const way of ['poll', 'stream'] as const) {
      for (let i = 1; i < (rate * every) / 2000; i++) void isIn(way, good)
      if (!(way in refusedAt) && !(await isIn(way, token))) refusedAt[way] = Date.now()
    }
    await pause(Math.max(0, next - performance.now()))
  }
  return refusedAt
}

async function carryOut(order: Order): Promise<unknown> {
  if (order.do === 'watch') return watch(order.token, order.good, order.rate)
  if (order.do === 'verify') return verifyAt(order.way, order.token, order.rate, order.seconds)
  for (const [verifier] of Object.values(ways)) await verifier.ready()
  return 'ready'
}

process.on('message', (order: Order) => {
  void carryOut(order).then((answer) => process.send?.(answer))
})
