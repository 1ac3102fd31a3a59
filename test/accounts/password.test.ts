import { pbkdf2Sync } from 'node:crypto'
import { hash as argon2, type Options } from '@node-rs/argon2'
import { expect } from 'chai'
import { createHashQueue, type HashQueue } from '../../src/accounts/hash-queue.ts'
import { createPasswords, newOneTimePassword, type Passwords } from '../../src/accounts/password.ts'
import { createPasswordPolicy } from '../../src/accounts/password-policy.ts'
import { silentLog as log, refusalOf } from '../support/cores.ts'

describe('passwords', () => {
  let hashes = 0
  const queue: HashQueue = Object.assign(
    <T>(work: () => Promise<T>) => {
      hashes++
      return work()
    },
    { hasRoom: () => true },
  )
  const policy = createPasswordPolicy({ minLength: 8, lists: [], names: [] })
  /** Cheap parameters; tests of the time that a hash takes set their own. */
  const cheap = { policy, memoryKiB: 1024, iterations: 2, queue, log }
  const owner = { email: 'ada@example.com' }
  let passwords: Passwords
  before(async () => {
    passwords = await createPasswords(cheap)
  })
  beforeEach(() => {
    hashes = 0
  })

  const composed = 'caf\u00e9 \u00fcber alles'
  const decomposed = composed.normalize('NFD')

  it('are stored as argon2id, with the parameters and a salt of their own', async () => {
    const [one, two] = [
      await passwords.hash(composed, owner),
      await passwords.hash(composed, owner),
    ]
    expect(one).to.match(/^\$argon2id\$v=19\$/)
    expect(one.split('$')[3]?.split(',')).to.have.members(['m=1024', 't=2', 'p=1'])
    expect(one).to.not.equal(two)
  })

  it('match only themselves, including case and spaces', async () => {
    const stored = await passwords.hash('correct horse', owner)
    expect(await passwords.verify('correct horse', stored)).to.equal(true)
    for (const wrong of ['Correct horse', 'correct horse ', ' correct horse', 'correct hors', '']) {
      expect(await passwords.verify(wrong, stored), wrong).to.equal(false)
    }
  })

  it('match in composed and decomposed Unicode form (ASVS 6.2.8)', async () => {
    expect(decomposed).to.not.equal(composed)
    expect(await passwords.verify(decomposed, await passwords.hash(composed, owner))).to.equal(true)
    expect(await passwords.verify(composed, await passwords.hash(decomposed, owner))).to.equal(true)
  })

  /** The hash that another system stores for `of old`. */
  function imported(iterations: number): string {
    const salt = Buffer.from('sixteen bytes!!!')
    const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')
    const key = base64(pbkdf2Sync('of old', salt, iterations, 32, 'sha256'))
    return `$pbkdf2-sha256$${iterations}$${base64(salt)}$${key}`
  }

  /** Milliseconds of processor time, which other load on the machine does not change. */
  async function processorTime(work: () => Promise<unknown>): Promise<number> {
    const before = process.cpuUsage()
    await work()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  }

  /** Hashes that the libraries refuse, and an unknown format. */
  const unverifiable = [
    '$argon2id$v=19$m=16384,t=10,p=1$short$key',
    '$2b$03$yBu4oi.4HONqsg9ajtIyEeYxxBoMeI8K92n7G3e5ZrzsWEilbrEoO',
    `$scrypt$ln=16,r=1,p=1$c2l4dGVlbiBieXRlcyEh$${'A'.repeat(43)}`,
    'nothing that we know',
  ]

  it('are refused after the same time for every kind of hash and without a hash, and do not keep their place in the queue meanwhile (C10, ASVS 6.3.8)', async () => {
    const heldFor = new WeakMap<object, number>()
    const timedQueue: HashQueue = Object.assign(
      async <T>(work: () => Promise<T>, turn: object = {}) => {
        const began = performance.now()
        return work().finally(() => heldFor.set(turn, performance.now() - began))
      },
      { hasRoom: () => true },
    )
    const mixed = await createPasswords({ ...cheap, queue: timedQueue })
    const own = await mixed.hash('correct horse', owner)
    const timed = async (password: string, stored: string | undefined) => {
      const turn = {}
      const began = performance.now()
      await mixed.guess(turn, password, stored, (look) => look(true))
      return { took: performance.now() - began, held: heldFor.get(turn) ?? Infinity }
    }
    /** Minimum of five runs, in milliseconds: other load only makes a run longer. */
    const least = async (password: string, stored: string | undefined) => {
      const times: Awaited<ReturnType<typeof timed>>[] = []
      while (times.length < 5) times.push(await timed(password, stored))
      const of = (which: 'took' | 'held') => Math.min(...times.map((each) => each[which]))
      return { took: of('took'), held: of('held') }
    }
    await least('wrong', imported(1_000))
    const before = await least('wrong', own)
    const { took: slowest } = await least('wrong', imported(300_000))
    expect(slowest, 'the hashes must differ in time').to.be.greaterThan(before.took * 4)
    for (const stored of [own, undefined, imported(1_000)]) {
      const { took, held } = await least('wrong', stored)
      expect(took, stored).to.be.greaterThan(slowest * 0.9)
      expect(held, 'the place in the queue is free for the rest').to.be.lessThan(slowest / 2)
    }
    const right = await least('correct horse', own)
    expect(right.took, 'a right password').to.be.lessThan(slowest / 2)
  })

  it('are refused after the same time when the stored hash cannot be verified (C10, ASVS 6.3.8)', async () => {
    const dear = await createPasswords({ ...cheap, memoryKiB: 16_384, iterations: 10 })
    const timed = (stored: string | undefined) =>
      processorTime(async () => {
        expect(await dear.guess({}, 'correct horse', stored, (look) => look(true))).to.equal(false)
      })
    const nobodys = await timed(undefined)
    for (const stored of unverifiable) {
      expect(await timed(stored), `${stored} vs ${nobodys} ms`).to.be.greaterThan(nobodys / 3)
      expect(await dear.verify('', stored), stored).to.equal(false)
    }
  })

  it('are refused after the time of our own hash, even before this process has verified one (ASVS 6.3.8)', async () => {
    const stored = await passwords.hash('correct horse', owner)
    const risen = await createPasswords({ ...cheap, memoryKiB: 16_384, iterations: 10 })
    const timed = async (hash: string | undefined) => {
      const began = performance.now()
      await risen.guess({}, 'wrong', hash, (look) => look(true))
      return performance.now() - began
    }
    const known = await timed(stored)
    // The minimum: other load only makes a run longer.
    const unknown = Math.min(await timed(undefined), await timed(undefined), await timed(undefined))
    expect(known, `vs ${unknown} ms`).to.be.greaterThan(unknown / 3)
  })

  it('free their place in the queue once found wrong, before the failure is recorded', async () => {
    const one = createHashQueue({ concurrency: 1, length: 1 })
    const narrow = await createPasswords({ ...cheap, queue: one })
    const stored = await narrow.hash('correct horse', owner)
    const written = Promise.withResolvers<void>()
    const first = narrow.guess({}, 'wrong', stored, async (look) => {
      const isRight = await look(true)
      await written.promise
      return isRight
    })
    expect(await narrow.guess({}, 'correct horse', stored, (look) => look(true))).to.equal(true)
    written.resolve()
    expect(await first).to.equal(false)
  })

  it('keep their place when right until the attempt is given back: concurrent guesses take no more attempts than there are places', async () => {
    const one = createHashQueue({ concurrency: 1, length: 4 })
    const narrow = await createPasswords({ ...cheap, queue: one })
    const stored = await narrow.hash('correct horse', owner)
    let taken = 0
    const seen: number[] = []
    const guesses = Array.from({ length: 5 }, () =>
      narrow.guess({}, 'correct horse', stored, async (look) => {
        seen.push(++taken)
        const isRight = await look(true)
        await passwords.rehash('what takes a while')
        taken--
        return isRight
      }),
    )
    expect(await Promise.all(guesses)).to.deep.equal([true, true, true, true, true])
    expect(seen).to.deep.equal([1, 1, 1, 1, 1])
  })

  it('cost a locked account its own hash, even an imported one, so that the time reveals nothing (ASVS 6.3.8)', async () => {
    const slow = imported(1_000_000)
    const timed = async (may: boolean) => {
      const began = process.hrtime.bigint()
      const isRight = await passwords.guess({}, 'of old', slow, (look) => look(may))
      return { isRight, took: Number(process.hrtime.bigint() - began) }
    }
    const [looked, locked] = [await timed(true), await timed(false)]
    expect([looked.isRight, locked.isRight]).to.deep.equal([true, false])
    expect(locked.took, 'not a cheap hash instead').to.be.greaterThan(looked.took / 5)
  })

  it('are compared beyond 72 bytes', async () => {
    const base = 'x'.repeat(72)
    const stored = await passwords.hash(`${base}a`, owner)
    expect(await passwords.verify(`${base}a`, stored)).to.equal(true)
    expect(await passwords.verify(`${base}b`, stored)).to.equal(false)
    expect(await passwords.verify(base, stored)).to.equal(false)
  })

  it('are compared beyond a NUL', async () => {
    const stored = await passwords.hash('before\0after', owner)
    expect(await passwords.verify('before\0other', stored)).to.equal(false)
  })

  it('longer than 1024 bytes are refused without hashing', async () => {
    const stored = await passwords.hash('x'.repeat(1024), owner)
    expect(await passwords.verify('x'.repeat(1024), stored)).to.equal(true)
    hashes = 0
    for (const long of ['x'.repeat(1025), 'ü'.repeat(513)]) {
      expect(await passwords.verify(long, stored)).to.equal(false)
      const refusal = await refusalOf(passwords.hash(long, owner), 'password_policy')
      expect(refusal.detail).to.include({ rule: 'too_long' })
    }
    expect(hashes).to.equal(0)
  })

  it('below the minimum are refused without hashing; characters count, not bytes', async () => {
    for (const short of ['', '1234567', '😀'.repeat(7), 'e\u0301'.repeat(7)]) {
      const refusal = await refusalOf(passwords.hash(short, owner), 'password_policy')
      expect(refusal.detail).to.include({ rule: 'too_short' })
      expect(JSON.stringify(refusal.detail)).to.not.contain('1234567')
    }
    expect(hashes).to.equal(0)
    await passwords.hash('😀'.repeat(8), owner)
  })

  it('cost one hash when there is no stored hash (ASVS 6.3.8)', async () => {
    expect(await passwords.verify('whatever it is', undefined)).to.equal(false)
    expect(hashes).to.equal(1)
  })

  it('have an outdated hash after the parameters were raised, which still verifies', async () => {
    const stored = await passwords.hash('correct horse', owner)
    const [more, longer] = [
      await createPasswords({ ...cheap, memoryKiB: 2048 }),
      await createPasswords({ ...cheap, iterations: 3 }),
    ]
    expect(passwords.isOutdated(stored)).to.equal(false)
    expect(more.isOutdated(stored)).to.equal(true)
    expect(longer.isOutdated(stored)).to.equal(true)
    expect(passwords.isOutdated(stored.replace('$argon2id$', '$argon2i$'))).to.equal(true)
    expect(await more.verify('correct horse', stored)).to.equal(true)
  })

  it('have an outdated hash if its key or salt is shorter than ours, even with our parameters', async () => {
    const ours = { memoryCost: 1024, timeCost: 2, parallelism: 1 }
    const outdated = async (members: Options) =>
      passwords.isOutdated(await argon2('correct horse', { ...ours, ...members }))
    expect(await outdated({})).to.equal(false)
    expect(await outdated({ salt: Buffer.alloc(32, 1) })).to.equal(false)
    expect(await outdated({ outputLen: 16 }), 'key').to.equal(true)
    expect(await outdated({ salt: Buffer.alloc(8, 1) }), 'salt').to.equal(true)
  })

  it('that are in use can be rehashed after the rules became stricter', async () => {
    await refusalOf(passwords.hash('short', owner), 'password_policy')
    expect(await passwords.verify('short', await passwords.rehash('short'))).to.equal(true)
  })

  it('for one use have 100 random bits and are easy to type', () => {
    const several = Array.from({ length: 200 }, newOneTimePassword)
    expect(new Set(several).size).to.equal(200)
    for (const each of several)
      expect(each).to.match(/^([2-9a-hjkmnp-z]{5}-){3}[2-9a-hjkmnp-z]{5}$/)
    const letters = new Set(several.join('').replaceAll('-', ''))
    expect(letters.size, 'every character is used').to.equal(31)
  })
})
