import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { serverAt } from '../test/outages/load.ts'
import { api, ordersApi } from '../test/support/fixtures.ts'
import { mochaGlobalSetup, mochaGlobalTeardown } from '../test/support/root-hooks.ts'
import { startTwoNodes } from '../test/support/two-nodes.ts'
import { declareApi, hold, revocations } from '../test/verifier/revocations.ts'
import { percentile } from './load/percentile.ts'
import { argument } from './suite/usage.ts'
import type { Answer, Order, Settings, Way } from './verifier/protocol.ts'

/**
 * `npm run bench -- verifier [rounds]` (default 5): an API in its own process, with the verifier kit, that reads at one
 * node what is revoked at another: the time until a revoked token is refused, by poll and by stream, under load; and
 * the cost of a verification compared with introspection.
 */
const rounds = argument('rounds', 5)
const rate = 1000
/** Introspection takes one request each; its rate is what one busy core can do besides the rest. */
const rates: Record<Way, number> = { offline: rate, poll: rate, stream: rate, introspect: 200 }
const seconds = 4
/** Milliseconds. */
const targets = { poll: 2000, stream: 500 } as const

/** Processor time of a process so far, in microseconds; Linux counts in hundredths of a second. */
function cpuOf(pid: number): number {
  const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const [user = 0, system = 0] = fields.split(' ').slice(11, 13).map(Number)
  return (user + system) * 10_000
}

const pad = (text: string | number, width = 11) => String(text).padStart(width)
const ms = (value: number) => `${value.toFixed(value < 10 ? 2 : 0)} ms`

await mochaGlobalSetup()
const nodes = await startTwoNodes({ LOG_LEVEL: 'silent' })
const settings: Settings = {
  issuer: nodes.issuer,
  node: nodes.b.url,
  audience: api,
  clientId: ordersApi.client_id,
  clientSecret: ordersApi.client_secret,
}
await declareApi(nodes.core)
const child = fork(join(import.meta.dirname, 'verifier/api.ts'), [JSON.stringify(settings)])

async function tell<T>(order: Order): Promise<T> {
  child.send(order)
  const [answer] = (await once(child, 'message')) as [T]
  return answer
}

try {
  const a = serverAt(nodes.a.url)
  const good = await hold(nodes.core, a)
  const token = good.tokens.access_token
  await tell({ do: 'prepare' })

  console.log(`\ncost of a verification, ${seconds} s each`)
  console.log(
    `${' '.repeat(12)}${['rate', 'p50', 'p99', 'CPU here', 'CPU there', 'requests/s'].map((each) => pad(each)).join('')}`,
  )
  for (const way of ['offline', 'poll', 'stream', 'introspect'] as const) {
    const order = { do: 'verify', way, token, rate: rates[way] } as const
    await tell({ ...order, seconds: 1 })
    const before = cpuOf(nodes.b.pid)
    const { perSecond, p50, p99, cpu, requests, refused } = await tell<Answer>({
      ...order,
      seconds,
    })
    const there = (cpuOf(nodes.b.pid) - before) / (perSecond * seconds)
    const figures = [
      `${perSecond.toFixed(0)}/s`,
      ms(p50),
      ms(p99),
      `${cpu.toFixed(0)} µs`,
      `${there.toFixed(0)} µs`,
      requests.toFixed(1),
    ]
    console.log(`${way.padEnd(12)}${figures.map((each) => pad(each)).join('')}`)
    if (refused > 0) console.log(`  ${refused} refused`)
  }

  console.log(
    `\nfrom the response to a revocation at node A to the refusal by an API that reads at node B, ${rate} verifications/s, ${rounds} each`,
  )
  const heads = ['poll p50', 'poll max', 'stream p50', 'stream max'].map((each) => pad(each))
  console.log(`${' '.repeat(20)}${heads.join('')}`)
  const all: Record<'poll' | 'stream', number[]> = { poll: [], stream: [] }
  for (const [what, revoke] of Object.entries(revocations)) {
    const took: typeof all = { poll: [], stream: [] }
    for (let round = 0; round < rounds; round++) {
      const held = await hold(nodes.core, a)
      const refusals = tell<Record<'poll' | 'stream', number>>({
        do: 'watch',
        token: held.tokens.access_token,
        good: token,
        rate,
      })
      // Polls come every second; vary the phase in each round.
      await pause(Math.random() * 1000)
      await revoke(nodes.core, a, held)
      const answered = Date.now()
      const at = await refusals
      for (const way of ['poll', 'stream'] as const) {
        took[way].push(Math.max(0, at[way] - answered))
      }
    }
    all.poll.push(...took.poll)
    all.stream.push(...took.stream)
    const figures = [took.poll, took.stream].flatMap((list) => [
      ms(percentile(list, 0.5)),
      ms(Math.max(...list)),
    ])
    console.log(`${what.padEnd(20)}${figures.map((each) => pad(each)).join('')}`)
  }
  for (const way of ['poll', 'stream'] as const) {
    const worst = Math.max(...all[way])
    console.log(
      `${way}: median ${ms(percentile(all[way], 0.5))}, worst ${ms(worst)}, target ${targets[way]} ms`,
    )
  }
} finally {
  child.kill()
  await nodes.stop()
  await mochaGlobalTeardown()
}
