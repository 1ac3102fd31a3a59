import { parseArgs } from 'node:util'
import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { startLoad } from './load/load.ts'
import { furnishedStorage, startProduct } from './servers/product.ts'
import { measureOverload } from './suite/overload.ts'

/**
 * `npm run bench -- overload`: what a server still does when it is asked for much more than it can. `--times 5` of its
 * peak, `--seconds 6` long, by clients that wait for `--patience 2` seconds.
 */
const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    times: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '6' },
    patience: { type: 'string', default: '2' },
  },
})
const [times, seconds, patience] = [values.times, values.seconds, values.patience].map(Number) as [
  number,
  number,
  number,
]
await mochaGlobalSetup()
const load = startLoad()
const server = await startProduct(await furnishedStorage(servicesFound() ? 'services' : 'embedded'))
console.log(`\noverload: ${times} times the peak for ${seconds} s, clients wait for ${patience} s`)
for (const name of ['client-credentials', 'introspection', 'refresh'] as const) {
  const found = await measureOverload(load, server, name, { times, seconds, patience })
  console.log(
    `  ${name.padEnd(20)} peak ${found.peak.toFixed(0)}/s   asked for ${found.offered.toFixed(0)}/s   ` +
      `goodput ${found.goodput.toFixed(0)}/s, ${(found.part * 100).toFixed(0)} % of the peak (target ≥ 80 %)   ` +
      `p50 ${found.p50.toFixed(0)} ms   p99 ${found.p99.toFixed(0)} ms   the rest ${JSON.stringify(found.faults)}   ` +
      `${found.recovered.toFixed(0)}/s afterwards; the load took ${(found.load * 100).toFixed(0)} % of a core and ` +
      `${found.connections.opened} connections${found.connections.missed > 0 ? `, and had none left for ${found.connections.missed} requests` : ''}`,
  )
}
await Promise.all([server.stop(), load.stop()])
await mochaGlobalTeardown()
