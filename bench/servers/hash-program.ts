import { hash, verify } from '@node-rs/argon2'
import { loadConfig } from '../../config/load.ts'
import type { Outcome } from '../load/plan.ts'
import { password } from './scenario.ts'

/** A program that only compares passwords with a hash, with the server's default parameters. */
const { argon2MemoryKib, argon2Iterations, hashConcurrency } = loadConfig({})
const known = await hash(password, {
  ...{ memoryCost: argon2MemoryKib, timeCost: argon2Iterations, parallelism: 1 },
})

async function compare(milliseconds: number): Promise<Outcome> {
  const latencies: number[] = []
  const began = performance.now()
  const over = () => performance.now() - began > milliseconds
  const converse = async () => {
    while (!over()) {
      const before = performance.now()
      await verify(known, password)
      latencies.push(performance.now() - before)
    }
  }
  await Promise.all(Array.from({ length: hashConcurrency }, converse))
  const seconds = (performance.now() - began) / 1000
  const nothing = { faults: {}, stock: [], yielded: [], processor: 0 }
  return { answered: latencies.length, seconds, latencies, ...nothing }
}

process.on('message', ({ milliseconds }: { milliseconds: number }) => {
  void compare(milliseconds).then((outcome) => process.send?.({ outcome }))
})
process.on('disconnect', () => process.exit())
