import { expect } from 'chai'
import fc from 'fast-check'
import { anyStorage } from '../support/any-storage.ts'
import { backToPresent } from '../support/time-travel.ts'
import { moves } from './walk/moves.ts'
import { openSite, type Site } from './walk/site.ts'
import { newWorld } from './walk/start.ts'
import type { Chance } from './walk/turn.ts'
import { kinds } from './walk/typed.ts'
import type { World } from './walk/world.ts'

/**
 * A model-based test: users and an attacker take random actions, right or wrong, in five browsers with five accounts of
 * two tenants and with accounts created on the way. After each step, every change in the database must have had its
 * proof (`walk/rules.ts`, `walk/newcomers.ts`). `WALK_STEPS` sets the length, `WALK_SEED` the start; a failure prints
 * the seed and the shortest failing walk found within `WALK_SHRINK` seconds.
 */
const { WALK_STEPS = '200', WALK_SEED, WALK_SHRINK = '60' } = process.env

/** A move, of which fast-check generates and shrinks walks. */
class Step implements fc.AsyncCommand<World, Site, true> {
  readonly #name: string
  readonly #chance: Chance
  constructor(name: string, chance: Chance) {
    this.#name = name
    this.#chance = chance
  }
  async check(): Promise<boolean> {
    return true
  }
  async run(world: World, site: Site): Promise<void> {
    const { stays, browser, person, other, ...rest } = this.#chance
    const [by, who] = (stays && world.last) || [
      world.browsers[browser],
      world.people[person % world.people.length],
    ]
    const also = world.browsers[other]
    if (!by || !who || !also) throw new Error('the world has no browser or no person')
    world.last = [by, who]
    const turn = { site, world, browser: by, person: who, other: also, ...rest }
    await moves[this.#name]?.[1](turn).catch((error: unknown) => {
      site.failedAt ??= site.steps
      throw error
    })
  }
  toString(): string {
    return `${this.#name} ${JSON.stringify(this.#chance)}`
  }
}

const chance: fc.Arbitrary<Chance> = fc.record({
  stays: fc.nat(2).map((some) => some > 0),
  browser: fc.nat(4),
  person: fc.nat(6),
  other: fc.nat(4),
  kind: fc.constantFrom(...kinds),
  second: fc.constantFrom(...kinds),
  any: fc.nat(999),
})
const anyMove = fc.oneof(
  ...Object.entries(moves).map(([name, [weight]]) => ({
    weight,
    arbitrary: chance.map((made) => new Step(name, made)),
  })),
)
const walks = fc.commands([anyMove], { maxCommands: 100, size: 'max', disableReplayLog: true })

describe('people: a random walk (C6, C7, C8, C20, C22, C23, C26, ASVS 2.3.1, 7.5.1)', () => {
  let site: Site
  before(async () => {
    site = await openSite(anyStorage)
  })
  after(async () => {
    backToPresent()
    await site?.stop()
  })

  async function walk(steps: number, from: number): Promise<void> {
    const end = site.steps + steps
    for (let seed = from; site.steps < end; seed++) {
      // The limit applies to shrinking only: an abandoned walk would continue beside the next one.
      let until = Infinity
      const found = await fc.check(
        fc.asyncProperty(walks, async (some) => {
          if (performance.now() > until) return
          const begin = async () => ({ model: await newWorld(site), real: site })
          await fc.asyncModelRun(begin, some).catch((error: unknown) => {
            until = Math.min(until, performance.now() + Number(WALK_SHRINK) * 1000)
            throw error
          })
        }),
        { numRuns: 1, seed, unbiased: true },
      )
      if (found.counterexample === null) continue
      const where = `WALK_SEED=${seed}, wrong after ${site.failedAt} steps of this run`
      const cause = found.errorInstance
      throw new Error(`${where}\n${String(cause)}\n${fc.defaultReportMessage(found)}`, { cause })
    }
  }

  /** Changes that every walk must include, and `later` those of a long one; otherwise it has missed what matters. */
  const landmarks = ['session opened', 'session ended', 'app code spent', 'link made']
  const later = [
    ...['password', 'app added', 'recovery codes replaced', 'recovery code spent', 'link used'],
    ...['account made', 'passkey added', 'passkey used'],
  ]
  const far = 700

  it('changes no password, address, factor or session without its proof, whoever acts in which order', async function () {
    this.timeout(Number(WALK_STEPS) * 400 + 120_000)
    const all = Number(WALK_STEPS)
    if (WALK_SEED === undefined) {
      // Half of the steps are the same in every run.
      await walk(all / 2, 1)
      await walk(all / 2, Date.now() % 1_000_000_000)
    } else await walk(all, Number(WALK_SEED))
    expect([...site.happened.keys()]).to.include.members([
      ...landmarks,
      ...(all < far ? [] : later),
    ])
    if (WALK_STEPS !== '200') console.log(`${site.steps} steps:`, Object.fromEntries(site.happened))
  })
})
