import { mochaGlobalSetup, mochaGlobalTeardown, servicesFound } from '../test/support/root-hooks.ts'
import { besideHerd } from './herd/beside-herd.ts'
import { percentile } from './load/percentile.ts'
import { furnishedStorage, startProduct } from './servers/product.ts'

/**
 * `npm run bench -- herd`: token requests while all verifiers of a large installation fetch the key set at the same
 * time.
 */
const rounds = 7

await mochaGlobalSetup()
const server = await startProduct(await furnishedStorage(servicesFound() ? 'services' : 'embedded'))
const herd = await besideHerd(server, rounds)
await server.stop()
await mochaGlobalTeardown()

const figures = (part: number) =>
  [herd.quiet, herd.crowded].map((of) => percentile(of, part).toFixed(1)).join(' → ')
console.log(
  `\ntoken requests, 100/s, without and with 5,000 cold fetches of the key set in a second, ${rounds} rounds of each\n` +
    `  p50 ${figures(0.5)} ms   p99 ${figures(0.99)} ms   fetches ${JSON.stringify(herd.statuses)} in ` +
    `${percentile(herd.seconds, 0.5).toFixed(2)} s, for ${percentile(herd.processor, 0.5).toFixed(2)} s of the server's processor time`,
)
