import { execFileSync } from 'node:child_process'
import { expect } from 'chai'

/** Keeps many objects and replaces them one after another, as caches and sessions do. */
const program = `
  import { boundGrowth } from './src/cli/memory.ts'
  if (process.argv[1] === 'bounded') boundGrowth()
  const kept = Array.from({ length: 100_000 }, (_, i) => [i, [i], [i], [i]])
  let most = 0
  for (let i = 0; i < 2_000_000; i++) {
    kept[(i * 7919) % kept.length] = [i, [i], [i], [i]]
    if (i % 5000 === 0) most = Math.max(most, process.memoryUsage().heapTotal)
  }
  console.log(Math.round(most / 2 ** 20))
`

/** The maximum heap size, in MB. */
function heapOf(how: 'as it is' | 'bounded'): number {
  const args = [
    '--max-semi-space-size=8',
    '--initial-heap-size=40',
    '--input-type=module',
    '-e',
    program,
    how,
  ]
  return Number(execFileSync(process.execPath, args, { encoding: 'utf8' }))
}

describe('memory of a server', () => {
  it('grows by half instead of fourfold before it is collected', () => {
    const [free, bounded] = [heapOf('as it is'), heapOf('bounded')]
    expect(bounded, `of ${free} MB`).to.be.lessThan(free * 0.7)
  })
})
