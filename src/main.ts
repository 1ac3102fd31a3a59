#!/usr/bin/env node
import { enableCompileCache } from 'node:module'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { boundMemory } from './cli/memory.ts'

// Settings are read in config/load.ts alone; an apply file may name any variable of its own.
// oxlint-disable-next-line node/no-process-env
const env = process.env

/** Compiled modules: beside the packages, where only who may change the code may write. Without a place to write, none. */
const compiled = fileURLToPath(new URL('../node_modules/.cache/keyturn', import.meta.url))

// Ahead of everything that would be loaded twice.
if (process.argv[2] === 'serve') boundMemory(env, compiled)
enableCompileCache(compiled)
if (process.pid === 1) (await import('./cli/signals.ts')).endBySignals()
const { runCli } = await import('./cli/program.ts')

// Whoever reads our output may stop early, as `head` does; a server goes on without.
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
// Whatever a library still waits for must keep no server alive that has stopped, or did not start: spans that no collector
// answers are sent again for seconds, and nothing stops that.
if (process.argv[2] === 'serve') process.exit()
