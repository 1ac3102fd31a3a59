import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startChild } from '../../test/support/child.ts'
import { exchange } from '../../test/support/http-exchange.ts'
import { basic } from '../../test/support/protocol.ts'
import { machine, resourceServers } from '../servers/scenario.ts'
import { processorOf, type Server } from '../servers/server.ts'

export interface Herd {
  /** Milliseconds per token request, without and with the herd. */
  quiet: number[]
  crowded: number[]
  seconds: number[]
  /** Seconds of processor time that one herd costs the server. */
  processor: number[]
  statuses: Record<string, number>
}

async function tokenRequest(url: string): Promise<number> {
  const before = performance.now()
  const page = await exchange({
    method: 'POST',
    url: new URL(url),
    headers: {
      authorization: basic(machine),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: `grant_type=client_credentials&scope=orders:read&resource=${resourceServers.orders.identifier}`,
  })
  if (page.status !== 200) throw new Error(`${page.status}: ${page.body}`)
  return performance.now() - before
}

/** Token requests for 1.5 s at 100 per second, sent whether or not earlier ones have been answered. */
async function tokenRequests(url: string): Promise<number[]> {
  const asked: Promise<number>[] = []
  for (let i = 0; i < 150; i++) {
    asked.push(tokenRequest(url))
    await pause(10)
  }
  return Promise.all(asked)
}

/** Whether token requests are slower while 5,000 verifiers fetch the key set within one second. */
export async function besideHerd(server: Server, rounds: number): Promise<Herd> {
  const { token, jwks } = server.endpoints
  const processor = () => processorOf(server) ?? 0
  const found: Herd = { quiet: [], crowded: [], seconds: [], processor: [], statuses: {} }
  const program = fileURLToPath(new URL('fetches.ts', import.meta.url))
  await tokenRequests(token)
  for (let round = 0; round < rounds; round++) {
    const begun = processor()
    found.quiet.push(...(await tokenRequests(token)))
    const quiet = processor() - begun
    const herd = await startChild(process.execPath, [program, jwks, '5000'], {})
    await pause(500)
    found.crowded.push(...(await tokenRequests(token)))
    await herd.exit
    found.processor.push(processor() - begun - 2 * quiet)
    const { statuses, seconds } = JSON.parse(herd.stdout()) as Pick<Herd, 'statuses'> & {
      seconds: number
    }
    found.seconds.push(seconds)
    for (const [status, count] of Object.entries(statuses)) {
      found.statuses[status] = (found.statuses[status] ?? 0) + count
    }
  }
  return found
}
