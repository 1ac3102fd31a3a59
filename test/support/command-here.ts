import { runCli } from '../../src/cli/program.ts'
import type { Outcome } from './node-process.ts'

/**
 * Runs a command of the product to its end in this process, with only these settings. A process of its own
 * (`runCommand`) takes a second of the processor before it does anything: that is for what only a process can show, its
 * start, its end, and that two of them meet.
 *
 * @throws Error for `serve` and for a shifted clock: they would end, or shift, the process of the test
 */
export async function runHere(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  if (args[0] === 'serve' || 'CLOCK_OFFSET_SECONDS' in env) {
    throw new Error(`that needs a process of its own (startNode, runCommand): ${args.join(' ')}`)
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
