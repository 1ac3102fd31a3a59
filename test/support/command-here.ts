import { runCli } from '../../src/cli/program.ts'
import type { Outcome } from './node-process.ts'

/**
 * Runs a command of the product in this process, with only these settings. A child process (`runCommand`) takes a
 * second of processor time to start: use it only where the process matters, for its start, its end, or when two of them
 * meet.
 *
 * @throws Error for `serve` and for a shifted clock: they would end, or shift, the test process
 */
export async function runHere(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  if (args[0] === 'serve' || 'CLOCK_OFFSET_SECONDS' in env) {
    throw new Error(`use startNode or runCommand for: ${args.join(' ')}`)
  }
  let stdout = ''
  let stderr = ''
  const code = await runCli([...args], {
    env: { ...env },
    stdin: async () => '',
    out: (lines) => {
      stdout += `${lines}\n`
    },
    err: (lines) => {
      stderr += `${lines}\n`
    },
  })
  return { code, signal: null, stdout, stderr }
}
