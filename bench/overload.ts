import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { freshStorage } from '../test/support/boot.ts'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { coresOf, keepOn } from './cores.ts'
import { startLoad } from './load/load.ts'
import { percentile } from './load/percentile.ts'
import { furnish, startProduct } from './servers/product.ts'
import { analyze } from './suite/fill.ts'
import { caseNames } from './suite/options.ts'
import { measureOverload, type Round } from './suite/overload.ts'
import { namesIn, numberIn } from './suite/usage.ts'

/**
 * `npm run bench -- overload [case …]`: the goodput of a server that gets far more requests than it can answer. Peak
 * and flood alternate (`--rounds 5`); the flood is `--times 5` the peak and lasts `--seconds 4`, from clients with a
 * timeout of `--patience 2` seconds. The load generator has its own core, also at the peak; with `--together` all
 * processes share all cores. `--fresh`: each request opens its own connection. `--workers 2`: sets `WORKERS`.
 * `--profile FOLDER`: writes a CPU profile of our server.
 */
const text = { type: 'string' } as const
const flag = { type: 'boolean', default: false } as const
const { values, positionals } = parseArgs({
  args: process.argv.slice(3),
  allowPositionals: true,
  options: {
    rounds: { ...text, default: '5' },
    times: { ...text, default: '5' },
    seconds: { ...text, default: '4' },
    patience: { ...text, default: '2' },
    workers: { ...text, default: '1' },
    profile: text,
    together: flag,
    fresh: flag,
  },
})
const rounds = numberIn('--rounds', values.rounds, 1)
const times = numberIn('--times', values.times)
const seconds = numberIn('--seconds', values.seconds)
const patience = numberIn('--patience', values.patience)
numberIn('--workers', values.workers)
const known = caseNames.filter((name) => name !== 'idle')
const names =
  positionals.length > 0
    ? namesIn('cases', positionals, known)
    : ['client-credentials', 'introspection', 'refresh']
const { fresh } = values
const cores = coresOf(!values.together)
keepOn(process.pid, cores.server)
await mochaGlobalSetup()
const load = startLoad()
keepOn(load.pid, cores.load)
const profile = values.profile && {
  NODE_OPTIONS: `--cpu-prof --cpu-prof-interval=400 --cpu-prof-dir=${resolve(values.profile)}`,
}
const empty = await freshStorage(servicesFound() ? 'services' : 'embedded')
const storage = await furnish(empty, { WORKERS: values.workers })
const server = await startProduct({ ...storage, env: { ...storage.env, ...profile } })

const percent = (part: number) => `${(part * 100).toFixed(0)} %`
const where =
  cores.load === '' ? 'on the same cores as the server' : `on its own core (${cores.load})`
console.log(
  `\noverload: ${times} times the peak for ${seconds} s, ${rounds} rounds; clients time out after ${patience} s; the load ` +
    `${where}, ${fresh ? 'a new connection for each request' : 'kept connections'}, WORKERS=${values.workers}`,
)
for (const name of names) {
  const found = await measureOverload(load, server, name, {
    ...{ rounds, times, seconds, patience, fresh },
    settle: () => analyze(storage.env),
  })
  const middle = (of: (round: Round) => number) => percentile(found.map(of), 0.5)
  const whole = (of: (round: Round) => number) => middle(of).toFixed(0)
  const cost = (which: 'atPeak' | 'inFlood') =>
    (['server', 'postgres', 'redis', 'load'] as const)
      .map((who) => `${who} ${percent(middle((round) => round[which][who]))}`)
      .join(', ')
  const parts = found.map(({ part }) => part)
  const counted = (of: (round: Round) => Record<string, number>) =>
    JSON.stringify(mean(found.map(of)))
  console.log(
    `  ${name.padEnd(20)} peak ${whole(({ peak }) => peak)}/s   goodput ${whole(({ goodput }) => goodput)}/s, ` +
      `${percent(percentile(parts, 0.5))} of the peak (${percent(Math.min(...parts))} to ` +
      `${percent(Math.max(...parts))}; target ≥ 80 %)   p50 ${whole(({ p50 }) => p50)} ms   p99 ${whole(({ p99 }) => p99)} ms\n` +
      `    other responses per round: in the flood ${counted(({ faults }) => faults)}, at the peak ` +
      `${counted(({ faultsAtPeak }) => faultsAtPeak)}\n` +
      `    in the second afterwards: ${whole(({ recovered }) => recovered)}/s ${counted(({ afterwards }) => afterwards)}\n` +
      `    cores at the peak: ${cost('atPeak')}; in the flood: ${cost('inFlood')}\n` +
      `    ${whole(({ connections }) => connections.opened)} concurrent connections, none free for ` +
      `${whole(({ connections }) => connections.missed)} requests; sent ${middle(({ late }) => late.p50).toFixed(1)} ms late ` +
      `(p50), ${whole(({ late }) => late.p99)} ms (p99)`,
  )
}
await Promise.all([server.stop(), load.stop()])
await mochaGlobalTeardown()

/** Means per kind, rounded to a tenth, so that a fault in a single round does not show as 0. */
function mean(counts: Record<string, number>[]): Record<string, number> {
  const all: Record<string, number> = {}
  for (const each of counts) {
    for (const [what, often] of Object.entries(each)) all[what] = (all[what] ?? 0) + often
  }
  return Object.fromEntries(
    Object.entries(all).map(([what, often]) => [
      what,
      Math.round((often / counts.length) * 10) / 10,
    ]),
  )
}
