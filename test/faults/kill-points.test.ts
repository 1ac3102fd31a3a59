import { expect } from 'chai'
import type { Page } from '../support/http-exchange.ts'
import { servicesFound } from '../support/root-hooks.ts'
import { commits, type Point, type Strike, strikesAt } from './gate.ts'
import { type Installation, nodeAt, startInstallation } from './installation.ts'
import { createTrials, type Trial, type Trials } from './trials.ts'
import { learnBackground, startVictim, type Victim } from './victim.ts'

/**
 * The least number of statements; fewer mean that the gate misses some. A request sends at least a read with its BEGIN
 * and a write with its COMMIT. The counted node may have client and resource server in its cache.
 */
const FEWEST_POINTS = 2

/** Attempts per request, in case the machine pauses. */
const patience = 4

/** Whether the machine paused: a node signs nothing until it has compared the clocks again. */
const wasPaused = ({ status }: Page) => status === 503

const suite = servicesFound() ? describe : describe.skip
suite('a node that is killed at any statement of a token request (M2, R-02)', function () {
  this.timeout(240_000)
  let installation: Installation
  let trials: Trials
  const background = new Set<string>()
  let unharmed: Victim
  let warm: Promise<Victim> | undefined

  before(async () => {
    installation = await startInstallation()
    trials = createTrials(installation)
    unharmed = await startVictim(installation.env, background)
    for (const text of await learnBackground(unharmed)) background.add(text)
  })
  after(async () => {
    await (await warm?.catch(() => undefined))?.stop()
    await unharmed?.stop()
    await installation?.stop()
  })

  /** A fresh node; the next one starts meanwhile. */
  async function victim(): Promise<Victim> {
    const start = () => {
      const starting = startVictim(installation.env, background)
      // A later await gets the failure.
      starting.catch(() => undefined)
      return starting
    }
    const current = warm ?? start()
    const fresh = await current
    warm = start()
    return fresh
  }

  /** Every statement that one undisturbed request sends. */
  async function pointsOf(
    prepare: () => Promise<Trial>,
    tries = patience,
  ): Promise<readonly Point[]> {
    const trial = await prepare()
    unharmed.gate.arm()
    const page = await trial.send(nodeAt(unharmed.url))
    if (wasPaused(page) && tries > 1) return pointsOf(prepare, tries - 1)
    expect(page.status, page.body).to.equal(200)
    // Not every request sends the reads of a cache, and a slow one may send them twice.
    const points = unharmed.gate
      .counted()
      .filter(({ text }) => !/ from tenants where id = /.test(text))
      .filter(
        ({ text, nth }) => nth === 1 || !/ from (clients c|resource_servers) where /.test(text),
      )
    await trial.recover()
    return points
  }

  /** Kills a node at the target. @returns whether the request was committed; undefined if the statement was not sent */
  async function strike(
    prepare: () => Promise<Trial>,
    target: Strike,
    tries = patience,
  ): Promise<boolean | undefined> {
    const struck = await victim()
    const trial = await prepare()
    struck.gate.arm(target)
    const answer = await trial.send(nodeAt(struck.url)).catch((error: Error) => error)
    await struck.stop()
    if (!(answer instanceof Error) && wasPaused(answer) && tries > 1) {
      return strike(prepare, target, tries - 1)
    }
    if (!struck.gate.isStruck()) {
      expect(answer).to.include({ status: 200 })
      await trial.recover()
      return undefined
    }
    expect(answer).to.be.instanceOf(Error, 'the killed node has answered')
    return trial.recover()
  }

  async function strikeEverywhere(what: string, prepare: () => Promise<Trial>): Promise<void> {
    const points = await pointsOf(prepare)
    expect(points.length, JSON.stringify(points)).to.be.at.least(FEWEST_POINTS)
    const failures: string[] = []
    const missed: Strike[] = []
    const committed: Strike[] = []
    const undone: Strike[] = []
    const strikes = strikesAt(points)
    for (const target of strikes) {
      await strike(prepare, target).then(
        (wasCommitted) => {
          if (wasCommitted === undefined) missed.push(target)
          else (wasCommitted ? committed : undone).push(target)
        },
        (error: Error) => {
          const { side, store, text, nth } = target
          failures.push(`${side} ${store}, ${text} (${nth}): ${error.message.slice(0, 300)}`)
        },
      )
    }
    const count = (store: string) => points.filter((point) => point.store === store).length
    process.stdout.write(
      `      ${what}: of ${count('postgres')} statements to Postgres and ${count('redis')} commands to Redis ` +
        `killed wherever one makes a difference; ${committed.length} of ${strikes.length} times after COMMIT\n`,
    )
    expect(failures).to.deep.equal([])
    // Background work may send a statement for the first time while a request is counted, but not twice in a row.
    const again = missed.length > 0 ? await pointsOf(prepare) : []
    const own = missed.filter((one) =>
      again.some((each) => each.text === one.text && each.nth === one.nth),
    )
    expect(own, 'statements that were not repeated').to.deep.equal([])
    // Both outcomes occurred: a kill after COMMIT, and one right before it.
    expect(committed).not.to.have.length(0)
    const justBefore = undone.filter(({ side, text }) => side === 'before' && commits.test(text))
    expect(justBefore).not.to.have.length(0)
    await trials.expectNoOrphans()
  }

  it('does not break a refresh: the retry on another node gets the one successor', () =>
    strikeEverywhere('refresh', trials.refresh))

  it('leaves a code redeemed or not: the retry succeeds, or a silent sign-in does', () =>
    strikeEverywhere('code exchange', trials.codeExchange))

  it('leaves a device code redeemed or not: the retry succeeds, or a new code does', () =>
    strikeEverywhere('device code exchange', trials.deviceExchange))

  it('leaves a backchannel request redeemed or not: the retry succeeds, or a new one does', () =>
    strikeEverywhere('backchannel request', trials.requestExchange))
})
