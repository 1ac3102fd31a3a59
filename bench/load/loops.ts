import { setTimeout as pause } from 'node:timers/promises'
import { type Connection, openConnection } from './connection.ts'
import type { Story } from './messages.ts'
import type { ClosedLoop, OpenLoop, Outcome, Plan, StoryName } from './plan.ts'
import { stories } from './stories.ts'

/** How long the last answers of an open loop may take, in milliseconds. */
const lastAnswers = 3000

/** Of these, what a story is about is used up by a right answer alone. */
const usedUp: ReadonlySet<StoryName> = new Set(['refresh', 'code-exchange'])

/** No answer, or none yet: what was presented may be presented again (503 and 429, or the connection is gone). */
const again = /^(503|429|connection closed|ECONN|read ECONN|connect )/

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
  const story = { name: plan.story, story: stories[plan.story](plan) }
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

interface Told {
  name: StoryName
  story: Story
}

/** One story from the stock, timed since it was due. */
async function tell(
  { name, story }: Told,
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
    const { message } = error as Error
    fault(outcome, message)
    if (!usedUp.has(name) || again.test(message)) outcome.stock.push(item)
  }
}

function fault({ faults }: Outcome, what: string, times = 1): void {
  faults[what] = (faults[what] ?? 0) + times
}

async function closed(story: Told, origin: URL, loop: ClosedLoop, outcome: Outcome): Promise<void> {
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
async function open(story: Told, origin: URL, loop: OpenLoop, outcome: Outcome): Promise<void> {
  const idle = Array.from({ length: loop.connections }, () => openConnection(origin))
  const all = [...idle]
  const total = Math.round((loop.rate * loop.milliseconds) / 1000)
  const began = performance.now()
  const dueAt = (i: number) => began + (i * 1000) / loop.rate
  let asked = 0
  let busy = 0
  const waits = loop.patience ?? Number.POSITIVE_INFINITY
  const pump = () => {
    while (asked < total && dueAt(asked) + waits < performance.now()) {
      fault(outcome, 'gave up before it was asked')
      asked++
    }
    while (asked < total && dueAt(asked) <= performance.now() && outcome.stock.length > 0) {
      const connection = idle.pop()
      if (connection === undefined) return
      const item = outcome.stock.shift() as string
      const due = dueAt(asked++)
      const impatience =
        loop.patience && setTimeout(() => connection.close(), due + waits - performance.now())
      busy++
      void tell(story, connection, item, due, outcome).then(() => {
        if (impatience) clearTimeout(impatience)
        busy--
        idle.push(connection)
        pump()
      })
    }
  }
  const deadline = began + loop.milliseconds + lastAnswers
  while ((asked < total || busy > 0) && performance.now() < deadline) {
    pump()
    await pause(1)
  }
  if (asked < total) fault(outcome, 'not asked in time', total - asked)
  if (busy > 0) fault(outcome, 'not answered in time', busy)
  for (const connection of all) connection.close()
}
