#!/usr/bin/env node
import { text } from 'node:stream/consumers'
import { runCli } from './cli/program.ts'

// Whoever reads our output may stop early, as `head` does.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})

process.exitCode = await runCli(process.argv.slice(2), {
  // Settings are read in config/load.ts alone; an apply file may name any variable of its own.
  // oxlint-disable-next-line node/no-process-env
  env: process.env,
  stdin: () => text(process.stdin),
  out: (lines) => void process.stdout.write(`${lines}\n`),
  err: (lines) => void process.stderr.write(`${lines}\n`),
})
