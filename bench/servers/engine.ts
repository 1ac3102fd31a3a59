import { freePort } from '../../test/support/free-port.ts'
import { startForked } from '../forked.ts'
import { clients, parameters } from './scenario.ts'
import { endpointsAt, type Server } from './server.ts'

/** The engine alone, the baseline of the comparison. */
export async function startEngine(): Promise<Server> {
  const port = await freePort()
  const program = startForked(new URL('engine-program.ts', import.meta.url), { PORT: String(port) })
  await program.said()
  return {
    name: 'bare engine',
    endpoints: endpointsAt(`http://localhost:${port}`),
    pid: program.pid,
    client: (role) => clients[role],
    parameters: (set) => parameters[set],
    async given(supply) {
      if (supply !== 'cookies') return undefined
      return (await program.ask<{ cookies: string[] }>({ startAnew: true })).cookies
    },
    stop: program.stop,
  }
}
