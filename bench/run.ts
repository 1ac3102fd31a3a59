import { readdir } from 'node:fs/promises'

/** `npm run bench -- <name>`: runs one benchmark; they print medians and ratios, and assert nothing. */
const names = (await readdir(import.meta.dirname))
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -3))
const wanted = process.argv[2] ?? ''

if (names.includes(wanted)) {
  await import(`./${wanted}.ts`)
} else {
  console.error(`bench: expected one of ${names.join(', ')}, got ${JSON.stringify(wanted)}`)
  process.exitCode = 2
}
