import { expect } from 'chai'
import { strangers } from '../../src/lockouts/lockout.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import { forgetShortLived } from '../support/forget.ts'
import type { Page } from '../support/http-exchange.ts'
import { authorizeUrl } from '../support/protocol.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { type AnyNode, type NodePair, startHere, startNodeBeside } from '../support/two-nodes.ts'
import { createUserAgent, type UserAgent } from '../support/user-agent.ts'

const guesses = 200
/** How many hashes two loaded cores compute before a request times out. */
const atOnce = 50
/** Pages that send guesses in parallel. */
const browsers = 10

const username = 'Alice.L'
const spellings = [
  alice.email,
  alice.email.toUpperCase(),
  ` ${alice.email} `,
  `${alice.email}\t`,
  alice.email.replace('alice', 'ａｌｉｃｅ'),
  username,
  username.toLowerCase(),
  'ＡＬＩＣＥ．Ｌ',
]

/** The counters that a process logs when it ends. */
function countedBy(node: AnyNode): Record<string, number> {
  const lines = node.stdout().split('\n')
  const last = lines.findLast((line) => line.includes('"event counts since startup"')) ?? '{}'
  return (JSON.parse(last) as { counts?: Record<string, number> }).counts ?? {}
}

/** How many guesses the pauses allow in this many seconds. */
function budgetIn(seconds: number): number {
  let budget = strangers.free
  let next = strangers.pause
  for (let spent = next; spent <= seconds; spent += next) {
    budget++
    next = Math.min(next * 2, strangers.longest)
  }
  return budget
}

const suite = servicesFound() ? describe : describe.skip
suite('brute force against two nodes (C9, C20)', function () {
  this.timeout(180_000)
  let nodes: NodePair
  const running: AnyNode[] = []

  before(async () => {
    // The strongest attacker: a trusted proxy reports a new network per guess, and the hash queue takes all.
    nodes = await startNodeBeside({
      RATE_LIMITS: 'on',
      TRUST_PROXY: '127.0.0.0/8,::1/128',
      HASH_QUEUE: '1000',
      LOG_LEVEL: 'info',
    })
    await furnish(nodes)
    await nodes.core.accounts.declare(tenant, { ...alice, username })
    running.push(nodes.a, nodes.b)
  })
  after(async () => {
    await Promise.all(running.map((node) => node.stop()))
    await nodes?.stop()
  })

  async function open(node: AnyNode): Promise<{ agent: UserAgent; page: Page }> {
    const agent = createUserAgent()
    const start = nodes.on(node, authorizeUrl({ issuer: nodes.issuer } as never, web))
    const redirect = await agent.get(start)
    const page = await agent.get(nodes.on(node, redirect.location as URL))
    return { agent, page }
  }

  /** Sends `count` guesses, fifty at once, half to each node; returns the number of answers by status. */
  async function guess(count: number, on: [AnyNode, AnyNode], password: string, first = 0) {
    const opened = await Promise.all(
      Array.from({ length: browsers }, (_, i) => open(on[i % 2] as AnyNode)),
    )
    const one = (i: number) => {
      const { agent, page } = opened[i % browsers] as { agent: UserAgent; page: Page }
      const fields = { username: spellings[i % spellings.length] as string, password }
      const number = first + i
      const forged = `198.51.${number >> 8}.${number & 255}, 10.${number >> 8}.${number & 255}.1`
      return agent.submit(page, { fields }, { headers: { 'x-forwarded-for': forged } })
    }
    const tally: Record<number, number> = {}
    for (let start = 0; start < count; start += atOnce) {
      const wave = Array.from({ length: Math.min(atOnce, count - start) }, (_, i) => one(start + i))
      for (const { status } of await Promise.all(wave)) tally[status] = (tally[status] ?? 0) + 1
    }
    return tally
  }

  it('gets no more than the budget out of 200 guesses, fifty in parallel, whatever the spelling and network, over a restart and a Redis flush', async () => {
    const began = Date.now()
    const wrong = 'a guess that is wrong'
    const half = guesses / 2
    expect(await guess(half, [nodes.a, nodes.b], wrong)).to.deep.equal({ 403: half })

    await nodes.a.stop()
    await forgetShortLived(nodes.core, nodes.env)
    const port = new URL(nodes.a.url).port
    const again = await startHere({ ...nodes.env, PORT: port })
    running.push(again)
    expect(await guess(half, [again, nodes.b], wrong, half)).to.deep.equal({ 403: half })
    const right = await guess(browsers, [again, nodes.b], alice.password, guesses)
    const seconds = (Date.now() - began) / 1000
    const account = await nodes.core.accounts.byIdentifier(tenant, alice.email)
    const [state] = await nodes.core.lockouts.list(tenant, [account?.id ?? ''])
    expect(state?.failures).to.be.at.most(budgetIn(seconds))

    await Promise.all([again.stop(), nodes.b.stop()])
    const counts = [nodes.a, again, nodes.b].map(countedBy)
    const total = (name: string) => counts.reduce((sum, of) => sum + (of[name] ?? 0), 0)
    expect(total('guess_checked')).to.be.within(strangers.free, budgetIn(seconds))
    expect(total('guess_checked') + total('guess_paused')).to.equal(guesses + browsers)
    expect(total('account_locked')).to.equal(total('guess_checked') - strangers.free + 1)
    // Unless a pause ended in between, which takes longer than this run on any machine that is not overloaded.
    if (budgetIn(seconds) === strangers.free) expect(right).to.deep.equal({ 403: browsers })
  })
})
