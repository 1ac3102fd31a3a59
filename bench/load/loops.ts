import { setTimeout as pause } from 'node:timers/promises'
import { type Connection, openConnection } from './connection.ts'
import type { Story } from './messages.ts'
import type { ClosedLoop, OpenLoop, Outcome, Plan } from './plan.ts'
import { stories } from './stories.ts'

/** How long the last answers of an open loop may take, in milliseconds. */
const patience = 3000

/** A block of load. */
export async function runPlan(plan: Plan): Promise<Outcome> {
  const outcome: Outcome = {
    answered: 0,
    seconds: 0,
    latencies: [],
    faults: {},
    stock: [...plan.stock],
    yielded: [],
    processor: 0,
  }
  const story = stories[plan.story](plan)
  const origin = new URL(plan.endpoints.token)
  const spent = process.cpuUsage()
  const began = performance.now()
  if (plan.loop.kind === 'closed') await closed(story, origin, plan.loop, outcome)
  else await open(story, origin, plan.loop, outcome)
  outcome.seconds = (performance.now() - began) / 1000
  const { user, system } = process.cpuUsage(spent)
  outcome.processor = user + system
  return outcome
}

/** One story from the stock, timed since it was due. */
async function tell(
  story: Story,
  connection: Connection,
  item: string,
  due: number,
  outcome: Outcome,
): Promise<void> {
  try {
    const { next, yielded } = await story(connection.ask, item)
    outcome.latencies.push(performance.now() - due)
    outcome.answered++
    if (next !== undefined) outcome.stock.push(next)
    if (yielded !== undefined) outcome.yielded.push(yielded)
  } catch (error) {
    fault(outcome, (error as Error).message)
  }
}

function fault({ faults }: Outcome, what: string, times = 1): void {
  faults[what] = (faults[what] ?? 0) + times
}

async function closed(
  story: Story,
  origin: URL,
  loop: ClosedLoop,
  outcome: Outcome,
): Promise<void> {
  const until = performance.now() + loop.milliseconds
  let left = loop.most ?? Number.POSITIVE_INFINITY
  const converse = async () => {
    const connection = openConnection(origin)
    while (left > 0) {
      const now = performance.now()
      const item = now < until ? outcome.stock.shift() : undefined
      if (item === undefined) break
      left--
      await tell(story, connection, item, now, outcome)
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: loop.connections }, converse))
}

/**
 * A request is due at its time whatever became of those before it; it waits for a connection and for something in the
 * stock, and its latency counts from when it was due.
 */
async function open(story: Story, origin: URL, loop: OpenLoop, outcome: Outcome): Promise<void> {
  const idle = Array.from({ length: loop.connections }, () => openConnection(origin))
  const all = [...idle]
  const total = Math.round((loop.rate * loop.milliseconds) / 1000)
  const began = performance.now()
  const dueAt = (i: number) => began + (i * 1000) / loop.rate
  let asked = 0
  let busy = 0
  const pump = () => {
    while (asked < total && dueAt(asked) <= performance.now() && outcome.stock.length > 0) {
      const connection = idle.pop()
      if (connection === undefined) return
      const item = outcome.stock.shift() as string
      busy++
      void tell(story, connection, item, dueAt(asked++), outcome).then(() => {
        busy--
        idle.push(connection)
        pump()
      })
    }
  }
  const deadline = began + loop.milliseconds + patience
  while ((asked < total || busy > 0) && performance.now() < deadline) {
    pump()
    await pause(1)
  }
  if (asked < total) fault(outcome, 'not asked in time', total - asked)
  if (busy > 0) fault(outcome, 'not answered in time', busy)
  for (const connection of all) connection.close()
}
