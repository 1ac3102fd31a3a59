import { setTimeout as pause } from 'node:timers/promises'
import { createRemoteJWKSet, customFetch, decodeProtectedHeader, jwtVerify } from 'jose'
import { defaultTenant } from '../src/tenants/tenant.ts'
import { mochaGlobalSetup, mochaGlobalTeardown } from '../test/support/root-hooks.ts'
import { startTwoNodes, type TwoNodes } from '../test/support/two-nodes.ts'
import { argument } from './suite/usage.ts'

/**
 * `npm run bench -- keys [minutes]` (default 4): key rotation under load, as fast as jose's defaults allow: two nodes
 * and twenty verifiers with a cooldown of 30 s and a cache of ten minutes; every verifier checks every token as soon as
 * it is issued.
 */
const minutes = argument('minutes', 4)
const prepublish = 35
const rotateEvery = 45
const settings = {
  JWKS_MAX_AGE: '10',
  KEY_PREPUBLISH: String(prepublish),
  KEY_ROTATE_EVERY: String(rotateEvery),
  KEY_RETAIN: '30',
  ACCESS_TOKEN_TTL: '30',
  ID_TOKEN_TTL: '30',
  LOG_LEVEL: 'warn',
}
const verifiers = 20
const issuersAtOnce = 4
const client = { client_id: 'bench', client_secret: 'the-secret-of-the-benchmark' }
const algs = ['ES256', 'RS256'] as const
const resourceOf = (alg: string) => `https://${alg.toLowerCase()}.example.com`

interface Figures {
  tokens: number
  verifications: number
  failed: Map<string, number>
  underPublished: number
  /** Milliseconds between the last node publishing a key and the first token signed with it. */
  leads: Map<string, number>
  fetches: number
}

async function furnish({ core }: TwoNodes): Promise<void> {
  for (const alg of algs) {
    await core.resources.declare(defaultTenant, {
      identifier: resourceOf(alg),
      scopes: ['read'],
      access_token_signing_alg: alg,
    })
  }
  await core.clients.declare(defaultTenant, {
    ...client,
    grant_types: ['client_credentials'],
    scope: 'read',
  })
}

/** When each node was first seen to publish a key. `first` has the keys that were already published at the start. */
function watchKeySets(nodes: TwoNodes, until: number) {
  const seen = new Map<string, Map<string, number>>()
  const first = new Set<string>()
  const done = Promise.all(
    [nodes.a, nodes.b].map(async ({ url }) => {
      for (let round = 0; Date.now() < until; round++) {
        const answer = await fetch(`${url}/jwks`)
        const { keys } = (await answer.json()) as { keys: { kid: string }[] }
        for (const { kid } of keys) {
          if (round === 0) first.add(kid)
          const of = seen.get(kid) ?? new Map<string, number>()
          if (!of.has(url)) seen.set(kid, of.set(url, Date.now()))
        }
        await pause(100)
      }
    }),
  )
  return { seen, first, done }
}

async function run(nodes: TwoNodes): Promise<Figures & { kids: number }> {
  const figures: Figures = {
    tokens: 0,
    verifications: 0,
    failed: new Map(),
    underPublished: 0,
    leads: new Map(),
    fetches: 0,
  }
  const until = Date.now() + minutes * 60_000
  const watch = watchKeySets(nodes, until)
  const urls = [nodes.a.url, nodes.b.url]
  const sets = Array.from({ length: verifiers }, (_, i) =>
    createRemoteJWKSet(new URL(`${urls[i % 2]}/jwks`), {
      [customFetch]: (...given: Parameters<typeof fetch>) => {
        figures.fetches++
        return fetch(...given)
      },
    }),
  )

  async function issue(i: number): Promise<void> {
    for (let round = i; Date.now() < until; round++) {
      const alg = algs[round % 2] as string
      const asked = Date.now()
      const answer = await fetch(`${urls[(round >> 1) % 2]}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa(`${client.client_id}:${client.client_secret}`)}` },
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          scope: 'read',
          resource: resourceOf(alg),
        }),
      })
      const body = (await answer.json()) as { access_token?: string; error?: string }
      if (!body.access_token) {
        const why = `token request: ${answer.status} ${body.error}`
        figures.failed.set(why, (figures.failed.get(why) ?? 0) + 1)
        continue
      }
      figures.tokens++
      await judge(body.access_token, asked)
    }
  }

  async function judge(token: string, asked: number): Promise<void> {
    const { kid = '' } = decodeProtectedHeader(token)
    if (!watch.first.has(kid)) {
      const published = watch.seen.get(kid)
      // From the earliest time the token may have been signed to the latest time a node was seen to publish the key.
      const since = published?.size === 2 ? Math.max(...published.values()) : Infinity
      const lead = asked - since
      figures.leads.set(kid, Math.min(lead, figures.leads.get(kid) ?? Infinity))
      if (lead < prepublish * 1000) figures.underPublished++
    }
    await Promise.all(
      sets.map(async (set) => {
        figures.verifications++
        await jwtVerify(token, set, { issuer: nodes.issuer }).catch((error: Error) => {
          figures.failed.set(error.message, (figures.failed.get(error.message) ?? 0) + 1)
        })
      }),
    )
  }

  await Promise.all([watch.done, ...Array.from({ length: issuersAtOnce }, (_, i) => issue(i))])
  return { ...figures, kids: watch.seen.size }
}

await mochaGlobalSetup()
const nodes = await startTwoNodes(settings)
try {
  await furnish(nodes)
  console.log(
    `two nodes, ${verifiers} verifiers (jose defaults), ${minutes} min, ` +
      `JWKS_MAX_AGE=10 KEY_PREPUBLISH=${prepublish} KEY_ROTATE_EVERY=${rotateEvery}`,
  )
  const { tokens, verifications, failed, underPublished, leads, fetches, kids } = await run(nodes)
  const shortest = Math.min(...leads.values()) / 1000
  console.log(
    `  keys seen                        ${kids}, of which ${leads.size} were new and signed tokens`,
  )
  console.log(
    `  tokens                           ${tokens} (${(tokens / minutes / 60).toFixed(0)}/s)`,
  )
  console.log(`  verifications                    ${verifications}`)
  console.log(`  fetches of the key set           ${fetches}`)
  console.log(
    `  failed                           ${[...failed.values()].reduce((a, b) => a + b, 0)}`,
  )
  for (const [why, count] of failed) console.log(`    ${count} ${why}`)
  console.log(`  signed by under-published keys   ${underPublished}`)
  console.log(`  shortest time published          ${shortest.toFixed(1)} s`)
} finally {
  await nodes.stop()
  await mochaGlobalTeardown()
}
