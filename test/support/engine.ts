import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider, { type Adapter } from 'oidc-provider'
import type { Core } from '../../src/core.ts'
import { createAdapter } from '../../src/oidc/adapter.ts'
import { engineKeys, externalSigning } from '../../src/oidc/engine-keys.ts'
import { createResourceAccess } from '../../src/oidc/resource-access.ts'
import { createStructuredTokens } from '../../src/oidc/structured-tokens.ts'
import { tokenTransaction } from '../../src/oidc/token-endpoint.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'

export interface TestEngine {
  /** The adapter of a model, as the engine would get it. */
  adapter(model: string): Adapter
  /**
   * Runs `work` as a request to the token endpoint: in the engine's context and inside the unit of work. It is
   * committed, and its answer 200, unless `work` throws.
   */
  inTokenRequest<T>(work: () => Promise<T>): Promise<T>
  stop(): Promise<void>
}

/** The engine on a core, with only the adapters and the token transaction. */
export async function startEngine(core: Core, tenant = defaultTenant): Promise<TestEngine> {
  const issuer = 'http://localhost'
  await core.signing.ensure(tenant, ['ES256', 'RS256'])
  const keys = await core.signing.open(tenant)
  const context = { ...core, tenant, issuer, canSignUp: false }
  const create = createAdapter(
    context,
    createStructuredTokens(context, keys),
    createResourceAccess(context),
  )

  const works = new Map<string, () => Promise<void>>()
  const settled = new Map<string, 'done' | 'failed'>()
  let requests = 0
  const provider = new Provider(issuer, {
    // The engine looks up the client first: a test's only way into a request.
    adapter: () => ({ find: async (id: string) => works.get(id)?.() }) as never,
    cookies: { keys: ['of no matter'] },
    jwks: { keys: engineKeys(keys) },
    features: { devInteractions: { enabled: false }, externalSigningSupport: externalSigning },
  })
  provider.use(tokenTransaction(context))
  provider.use(async (ctx, next) => {
    await next()
    if (settled.get(ctx.get('x-work')) === 'done') ctx.status = 200
  })
  const handle = provider.callback()
  const server = createServer((request, response) => void handle(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  return {
    adapter: create,
    async inTokenRequest<T>(work: () => Promise<T>) {
      const id = `request-${requests++}`
      const answer = Promise.withResolvers<T>()
      answer.promise.catch(() => undefined)
      works.set(id, async () => {
        try {
          const result = await work()
          settled.set(id, 'done')
          answer.resolve(result)
        } catch (error) {
          settled.set(id, 'failed')
          answer.reject(error)
        }
      })
      const response = await fetch(`http://127.0.0.1:${port}/token`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-www-form-urlencoded', 'X-Work': id },
        body: new URLSearchParams({ grant_type: 'authorization_code', client_id: id }),
      })
      await response.arrayBuffer()
      if (!settled.has(id)) throw new Error(`the engine looked up no client: ${response.status}`)
      return answer.promise
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
