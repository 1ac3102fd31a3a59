import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { freshStorage } from '../test/support/boot.ts'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { coresOf, keepOn } from './cores.ts'
import { startLoad } from './load/load.ts'
import { furnish, startProduct } from './servers/product.ts'
import { analyze } from './suite/fill.ts'
import { caseNames } from './suite/options.ts'
import { type Account, measureOverload } from './suite/overload.ts'
import { namesIn, numberIn } from './suite/usage.ts'

/**
 * `npm run bench -- overload [case …]`: what a server still does when it is asked for much more than it can. `--times 5`
 * of its peak, `--seconds 6` long, by clients that wait for `--patience 2` seconds. The load has a core for itself, at
 * the peak, too; with `--together` all share all. `--fresh`: each request on a connection of its own. `--workers 2`: as
 * `WORKERS`. `--profile FOLDER`: a CPU profile of our server.
 */
const text = { type: 'string' } as const
const flag = { type: 'boolean', default: false } as const
const { values, positionals } = parseArgs({
  args: process.argv.slice(3),
  allowPositionals: true,
  options: {
    times: { ...text, default: '5' },
    seconds: { ...text, default: '6' },
    patience: { ...text, default: '2' },
    workers: { ...text, default: '1' },
    profile: text,
    together: flag,
    fresh: flag,
  },
})
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
const told = (account: Account) =>
  Object.entries(account)
    .map(([who, part]) => `${who} ${percent(part)}`)
    .join(', ')
const where = cores.load === '' ? 'on all cores together' : `on a core of its own (${cores.load})`
console.log(
  `\noverload: ${times} times the peak for ${seconds} s, clients wait for ${patience} s; the load ${where}, ` +
    `${fresh ? 'each request on a new connection' : 'connections are kept'}, WORKERS=${values.workers}`,
)
for (const name of names) {
  const found = await measureOverload(load, server, name, {
    ...{ times, seconds, patience, fresh },
    settle: () => analyze(storage.env),
  })
  const { opened, missed } = found.connections
  console.log(
    `  ${name.padEnd(20)} peak ${found.peak.toFixed(0)}/s   asked for ${found.offered.toFixed(0)}/s   ` +
      `goodput ${found.goodput.toFixed(0)}/s, ${percent(found.part)} of the peak (target ≥ 80 %)   ` +
      `p50 ${found.p50.toFixed(0)} ms   p99 ${found.p99.toFixed(0)} ms   the rest ${JSON.stringify(found.faults)}\n` +
      `    in the second after ${found.recovered.toFixed(0)}/s ${JSON.stringify(found.afterwards)}\n` +
      `    cores at the peak: ${told(found.atPeak)}; in the flood: ${told(found.inFlood)}\n` +
      `    ${opened} connections at once, none left for ${missed} requests; sent ${found.late.p50.toFixed(1)} ms late ` +
      `(p50), ${found.late.p99.toFixed(0)} ms (p99)`,
  )
}
await Promise.all([server.stop(), load.stop()])
await mochaGlobalTeardown()
