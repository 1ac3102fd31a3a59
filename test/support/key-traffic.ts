import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import type { TestServer } from './boot.ts'
import { alice, callback, web } from './fixtures.ts'
import { exchange } from './http-exchange.ts'
import { authorizeUrl, introspect, refresh, type Tokens, tokensFor, tokensIn } from './protocol.ts'
import { createUserAgent } from './user-agent.ts'
import { remember } from './witness.ts'

/** Continuous traffic that uses sealed values and MACs; it records every failure. */
export interface KeyTraffic {
  /** Kind → how often it succeeded. */
  readonly done: Record<string, number>
  readonly failures: string[]
  /** Lets what is under way finish. */
  stop(): Promise<void>
}

const scope = 'openid offline_access'

/** Milliseconds between two requests of a worker, and of one that needs password hashes. */
const pace = 100
const pensive = 400

export async function startKeyTraffic(issuer: string): Promise<KeyTraffic> {
  const server = { issuer } as TestServer
  const done: Record<string, number> = {}
  const failures: string[] = []
  let running = true

  async function over(kind: string, once: () => Promise<unknown>, after = pace): Promise<void> {
    while (running) {
      try {
        await once()
        done[kind] = (done[kind] ?? 0) + 1
      } catch (error) {
        failures.push(`${kind}: ${String(error)}`)
      }
      await pause(after)
    }
  }

  function keep(tokens: Tokens): Tokens {
    remember(tokens.access_token, tokens.refresh_token ?? '')
    return tokens
  }

  async function chain(): Promise<() => Promise<void>> {
    let tokens = keep(await tokensFor(server, web, { scope }))
    return async () => {
      tokens = keep(tokensIn(await refresh(server, web, tokens)))
    }
  }

  /** The state of a log-out is sealed between its two requests. */
  async function signInAndOut(): Promise<void> {
    const agent = createUserAgent()
    await agent.walk(authorizeUrl(server, web), {
      username: alice.email,
      password: alice.password,
    })
    const page = await agent.get(`${issuer}/logout`)
    await pause(100)
    const left = await agent.follow(await agent.submit(page))
    expect(left.status, left.body).to.equal(200)
    expect((await agent.get(`${issuer}/account`)).status).to.equal(303)
  }

  const live = keep(await tokensFor(server, web, { scope }))
  const jwks = async () => {
    const page = await exchange({ method: 'GET', url: new URL(`${issuer}/jwks`), headers: {} })
    expect(page.status, page.body).to.equal(200)
  }
  const workers = [
    over('refresh', await chain()),
    over('refresh', await chain()),
    over('refresh', await chain()),
    over('sign-in', () => tokensFor(server, web, { redirect_uri: callback }).then(keep), pensive),
    over('log-out', signInAndOut, pensive),
    over('jwks', jwks),
    over('introspection', async () => {
      expect(await introspect(server, web, live.access_token)).to.include({ active: true })
    }),
  ]
  return {
    done,
    failures,
    async stop() {
      running = false
      await Promise.all(workers)
    },
  }
}
