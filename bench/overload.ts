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
 * `npm run bench -- overload [case …]`: what a server still does when it is asked for much more than it can. The peak and
 * the flood come in turns, `--rounds 5`; the flood is `--times 5` of the peak, `--seconds 4` long, by clients that wait
 * for `--patience 2` seconds. The load has a core for itself, at the peak, too; with `--together` all share all.
 * `--fresh`: each request on a connection of its own. `--workers 2`: as `WORKERS`. `--profile FOLDER`: a CPU profile of
 * our server.
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
const where = cores.load === '' ? 'on all cores together' : `on a core of its own (${cores.load})`
console.log(
  `\noverload: ${times} times the peak for ${seconds} s, ${rounds} rounds; clients wait for ${patience} s; the load ` +
    `${where}, ${fresh ? 'each request on a new connection' : 'connections are kept'}, WORKERS=${values.workers}`,
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
      `    the rest, in a round: of the flood ${counted(({ faults }) => faults)}, of the peak ` +
      `${counted(({ faultsAtPeak }) => faultsAtPeak)}\n` +
      `    in the second after ${whole(({ recovered }) => recovered)}/s ${counted(({ afterwards }) => afterwards)}\n` +
      `    cores at the peak: ${cost('atPeak')}; in the flood: ${cost('inFlood')}\n` +
      `    ${whole(({ connections }) => connections.opened)} connections at once, none left for ` +
      `${whole(({ connections }) => connections.missed)} requests; sent ${middle(({ late }) => late.p50).toFixed(1)} ms late ` +
      `(p50), ${whole(({ late }) => late.p99)} ms (p99)`,
  )
}
await Promise.all([server.stop(), load.stop()])
await mochaGlobalTeardown()

/** Of each kind, to a tenth: what came in one round alone is no 0. */
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
