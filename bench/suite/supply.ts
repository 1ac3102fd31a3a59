import type { Load } from '../load/load.ts'
import type { Outcome, Plan } from '../load/plan.ts'
import type { Server } from '../servers/server.ts'
import type { Task } from './cases.ts'

/** Items per block: families that rotate, and codes, of which the bare engine does not keep more. */
export const amounts = { refresh_token: 64, access_token: 32, codes: 400 }

/** Shorter blocks need fewer items. @param milliseconds of a block */
export function amountFor(supply: keyof typeof amounts, milliseconds: number): number {
  return Math.max(16, Math.round(amounts[supply] * Math.min(1, milliseconds / 500)))
}

/** A plan without its stock and loop. */
export type Outline = Omit<Plan, 'stock' | 'loop'>

const nobody = { client_id: '', client_secret: '' }

/** The requests for a task; undefined if the server lacks what the task needs. */
export function outlineOf(server: Server, task: Task): Outline | undefined {
  const client = task.client === undefined ? nobody : server.client(task.client)
  const fields = task.with === undefined ? {} : server.parameters(task.with)
  if (!client || !fields) return undefined
  const { story, expects, yields } = task
  return {
    ...{ story, client, fields, endpoints: server.endpoints },
    ...(expects === undefined ? {} : { expects }),
    ...(yields === undefined ? {} : { yields }),
  }
}

function right(what: string, { faults, yielded }: Outcome): string[] {
  if (Object.keys(faults).length > 0) throw new Error(`${what}: ${JSON.stringify(faults)}`)
  return yielded
}

/**
 * The items of a task for one block: those that the server provides, or those that clients get from it the usual way.
 * Undefined if neither is possible.
 * @param enough the number of items of each kind
 */
export async function supplyFor(
  load: Load,
  server: Server,
  task: Task,
  enough: (supply: keyof typeof amounts) => number,
): Promise<string[] | undefined> {
  const { supply, asked } = task
  if (supply === undefined) return Array.from({ length: 1000 }, () => '')
  const given = await server.given(supply)
  if (given || supply === 'people' || supply === 'cookies') return given
  const [cookies, client, fields] = [
    await server.given('cookies'),
    server.client('web'),
    server.parameters(asked ?? 'signIn'),
  ]
  if (!cookies || !client || !fields) return undefined
  const { endpoints } = server
  const loop = { kind: 'closed', connections: 8, milliseconds: 60_000 } as const
  const codes = await load.run({
    ...{ story: 'sso-authorization', endpoints, client, fields, stock: cookies },
    ...{ yields: 'code', loop: { ...loop, most: enough(supply) } },
  })
  const stock = right(`${server.name}: codes`, codes)
  if (supply === 'codes') return stock
  const tokens = await load.run({
    ...{ story: 'code-exchange', endpoints, client, fields: {}, stock, yields: supply, loop },
  })
  return right(`${server.name}: tokens`, tokens)
}
