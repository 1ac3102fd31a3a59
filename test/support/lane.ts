import { createInterface } from 'node:readline'
import Mocha from 'mocha'
import rc from '../../.mocharc.json' with { type: 'json' }
import { type Failure, mark, type Outcome } from './lanes.ts'
import { mochaGlobalSetup, mochaGlobalTeardown } from './root-hooks.ts'
import { forgetSecrets } from './witness.ts'

/**
 * Runs the test files whose paths come on standard input, one per line, and reports the outcome of each. They share
 * this process' Postgres and Redis.
 *
 *     node test/support/lane.ts [--forbid-only]
 */
const forbidOnly = process.argv.includes('--forbid-only')

/** Most characters of a message or diff. */
const enough = 1200

function failureOf(
  runnable: Mocha.Runnable,
  error: Error & { [key in 'actual' | 'expected']?: unknown },
): Failure {
  const { actual, expected, stack = '' } = error
  // The reporter has turned comparable values into texts.
  const isCompared = typeof actual === 'string' && typeof expected === 'string'
  const difference = isCompared ? Mocha.reporters.Base.generateDiff(actual, expected) : ''
  const place = /^ +at .*[\\/]test[\\/].*$/m.exec(stack)?.[0].trim() ?? ''
  const cause = error.cause instanceof Error ? `cause: ${error.cause.message}` : ''
  const message = [error.message.slice(0, enough), cause, place, difference.slice(0, enough)]
  return { title: runnable.titlePath().join(' › '), message: message.filter(Boolean).join('\n') }
}

async function run(file: string): Promise<Outcome> {
  const began = performance.now()
  forgetSecrets()
  const mocha = new Mocha({ timeout: rc.timeout, forbidOnly })
  mocha.addFile(file)
  await mocha.loadFilesAsync()
  const failures: Failure[] = []
  let passed = 0
  await new Promise<void>((resolve) => {
    const runner = mocha.run(() => resolve())
    runner.on('pass', () => passed++)
    runner.on('fail', (runnable, error) => failures.push(failureOf(runnable, error as Error)))
  })
  mocha.dispose()
  return { file, passed, seconds: (performance.now() - began) / 1000, failures }
}

await mochaGlobalSetup()
for await (const file of createInterface({ input: process.stdin })) {
  const outcome = await run(file)
  process.stdout.write(`${mark}${JSON.stringify(outcome)}\n`)
}
await mochaGlobalTeardown()
