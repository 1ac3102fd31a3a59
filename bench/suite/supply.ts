import type { Load } from '../load/load.ts'
import type { Outcome, Plan } from '../load/plan.ts'
import type { Server } from '../servers/server.ts'
import type { Task } from './cases.ts'

/** How much of each there is for one block: families that rotate, codes that last for a second. */
const amounts = { refresh_token: 64, access_token: 32, codes: 400 }

function rightly(what: string, outcome: Outcome): Outcome {
  const faults = Object.entries(outcome.faults)
  if (faults.length > 0) throw new Error(`${what}: ${JSON.stringify(outcome.faults)}`)
  return outcome
}

/** What a task needs for one block, got from the server itself the way clients get it. */
export async function supplyFor(
  load: Load,
  server: Server,
  task: Task,
  most?: number,
): Promise<string[]> {
  const { supply, client } = task
  if (supply === 'nothing') return Array.from({ length: 1000 }, () => '')
  if (supply === 'people') return server.people()
  const cookies = await server.cookies()
  if (supply === 'cookies') return cookies
  const loop = { kind: 'closed', connections: 8, milliseconds: 60_000 } as const
  const web = supply === 'access_token' ? server.web : client
  const common = { endpoints: server.endpoints, client: web, fields: task.asked ?? {} }
  const codes: Plan = {
    ...{ ...common, story: 'sso-authorization', yields: 'code', stock: cookies },
    loop: { ...loop, most: most ?? amounts[supply] },
  }
  const { yielded } = rightly(`${server.name}: codes`, await load.run(codes))
  if (supply === 'codes') return yielded
  const tokens: Plan = {
    ...common,
    fields: {},
    story: 'code-exchange',
    yields: supply,
    stock: yielded,
    loop,
  }
  return rightly(`${server.name}: tokens`, await load.run(tokens)).yielded
}
