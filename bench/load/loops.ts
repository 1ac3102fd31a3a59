import { setTimeout as pause } from 'node:timers/promises'
import { type Connection, openConnection } from './connection.ts'
import type { Story } from './messages.ts'
import { percentile } from './percentile.ts'
import type { ClosedLoop, OpenLoop, Outcome, Plan, StoryName } from './plan.ts'
import { stories } from './stories.ts'

/** How long an open loop waits for the last responses, in milliseconds. */
const lastAnswers = 3000

/** Stories whose item is used up by a correct response. */
const usedUp: ReadonlySet<StoryName> = new Set(['refresh', 'code-exchange'])

/** No definite response (503, 429 or a lost connection): the item may be used again. */
const again = /^(503|429|connection closed|ECONN|read ECONN|connect )/

/** Runs a block of load. */
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

/** One story with an item from the stock; its latency counts from `due`. */
async function tell(
  { name, story }: Told,
  connection: Connection,
  item: string,
  due: number,
  outcome: Outcome,
  stock = outcome.stock,
): Promise<void> {
  try {
    const { next, yielded } = await story(connection.ask, item)
    outcome.latencies.push(performance.now() - due)
    outcome.answered++
    if (next !== undefined) stock.push(next)
    if (yielded !== undefined) outcome.yielded.push(yielded)
  } catch (error) {
    const { message } = error as Error
    fault(outcome, message)
    if (!usedUp.has(name) || again.test(message)) stock.push(item)
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
      if (loop.fresh) connection.close()
    }
    connection.close()
  }
  await Promise.all(Array.from({ length: loop.connections }, converse))
}

/**
 * A request is sent when it is due, whether or not earlier ones have been answered, on an idle or a new connection, and
 * its latency counts from when it was due. It waits only if the connection limit is reached or the stock is empty. With
 * `patience` a client closes its connection after that time without a response; concurrent requests may use the same
 * item, unless a response uses it up, and with an empty stock the request is skipped.
 */
async function open(story: Told, origin: URL, loop: OpenLoop, outcome: Outcome): Promise<void> {
  const { rate, milliseconds, lead = 0, patience = Number.POSITIVE_INFINITY } = loop
  const idle: Connection[] = []
  const all = new Set<Connection>()
  const late: number[] = []
  const total = Math.round((rate * (milliseconds + lead)) / 1000)
  const counted = Math.round((rate * lead) / 1000)
  const uncounted: Outcome = { ...outcome, latencies: [], faults: {} }
  for (let i = 0; i < (loop.ready ?? 0); i++) {
    const connection = openConnection(origin)
    await connection.open()
    all.add(connection)
    idle.push(connection)
  }
  const began = performance.now()
  const dueAt = (i: number) => began + (i * 1000) / rate
  let asked = 0
  let busy = 0
  let missed = -1
  const isShared = loop.patience !== undefined && !usedUp.has(story.name)
  const connections = { opened: all.size, missed: 0 }
  outcome.connections = connections
  const take = () => {
    const known = idle.pop()
    if (known || all.size >= loop.connections) return known
    const opened = openConnection(origin)
    all.add(opened)
    connections.opened = Math.max(connections.opened, all.size)
    return opened
  }
  const into = () => (asked < counted ? uncounted : outcome)
  const pump = () => {
    while (asked < total && dueAt(asked) + patience < performance.now()) {
      fault(into(), 'timed out before sending')
      asked++
    }
    while (asked < total && dueAt(asked) <= performance.now()) {
      if (outcome.stock.length === 0) {
        if (loop.patience === undefined) return
        fault(into(), 'nothing in stock')
        asked++
        continue
      }
      const connection = take()
      if (connection === undefined) {
        if (missed !== asked) connections.missed++
        missed = asked
        return
      }
      const item = outcome.stock.shift() as string
      if (isShared) outcome.stock.push(item)
      const told = into()
      const due = dueAt(asked++)
      if (told === outcome) late.push(performance.now() - due)
      const impatience =
        loop.patience &&
        setTimeout(() => connection.close(), Math.max(1, due + patience - performance.now()))
      busy++
      void tell(story, connection, item, due, told, isShared ? [] : told.stock).then(() => {
        if (impatience) clearTimeout(impatience)
        busy--
        if (loop.fresh) {
          connection.close()
          all.delete(connection)
        } else idle.push(connection)
        pump()
      })
    }
  }
  const deadline = began + lead + milliseconds + lastAnswers
  while ((asked < total || busy > 0) && performance.now() < deadline) {
    pump()
    await pause(1)
  }
  if (asked < total) fault(outcome, 'not sent in time', total - asked)
  if (busy > 0) fault(outcome, 'not answered in time', busy)
  for (const connection of all) connection.close()
  outcome.late = { p50: percentile(late, 0.5), p99: percentile(late, 0.99) }
}
