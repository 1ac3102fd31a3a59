#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { boundMemory } from './cli/memory.ts'

// Only config/load.ts reads settings; but an apply file may name any environment variable.
// oxlint-disable-next-line node/no-process-env
const env = process.env

/**
 * Compiled modules, beside the packages, where only those who may change the code can write. If it is not writable,
 * nothing is cached.
 */
const compiled = fileURLToPath(new URL('../node_modules/.cache/keyturn', import.meta.url))

// Before everything that would be loaded twice.
if (process.argv[2] === 'serve') boundMemory(env, compiled)
enableCompileCache(compiled)
if (process.pid === 1) (await import('./cli/signals.ts')).endBySignals()
const { runCli } = await import('./cli/program.ts')

// A reader of the output may stop early, as `head` does; a server continues without it.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (process.argv[2] === 'serve') return
  if (error.code === 'EPIPE') process.exit(0)
  process.stderr.write(`keyturn: cannot write to standard output (${error.code})\n`)
  process.exit(1)
})

const exitCode = await runCli(process.argv.slice(2), {
  env,
  stdin: () => text(process.stdin),
  out: (lines) =>
    new Promise<void>((resolve) => {
      process.stdout.write(`${lines}\n`, () => resolve())
    }),
  err: (lines) => void process.stderr.write(`${lines}\n`),
})
process.exitCode = exitCode
// A server that has stopped, or failed to start, must not be kept alive by pending work of a library: spans that no
// collector accepts are sent again for seconds, and nothing stops that.
if (process.argv[2] === 'serve') process.exit()
