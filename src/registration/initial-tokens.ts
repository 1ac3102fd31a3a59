import { randomUUID } from 'node:crypto'
import type { Audit } from '../audit/audit.ts'
import type { Platform } from '../platform.ts'
import { hashOf, newHandle } from '../secrets/handle.ts'
import type { createTokenStore, InitialAccessToken, TokenPlace } from './tokens.store.ts'

/** Initial access tokens, which operators hand out for registration (RFC 7591 §3). */
export interface InitialTokens {
  /** @param options uses: most clients that it registers; ttl: seconds, unlimited when absent */
  create(
    tenant: string,
    options: { name?: string | undefined; uses: number; ttl?: number | undefined },
  ): Promise<{ id: string; token: string }>
  /** A page of valid ones, the oldest first. @param page `after`: where the page before ended */
  page(
    tenant: string,
    page: { after?: TokenPlace | undefined; limit: number },
  ): Promise<InitialAccessToken[]>
  find(tenant: string, id: string): Promise<InitialAccessToken | undefined>
  /** @returns whether it existed */
  revoke(tenant: string, id: string): Promise<boolean>
}

/** Most uses of one token, and longest validity in seconds. */
export const mostUses = 100_000
export const longestTtl = 31_536_000

export function createInitialTokens({
  database,
  clock,
  audit,
  tokens,
}: Pick<Platform, 'database' | 'clock'> & {
  audit: Audit
  tokens: ReturnType<typeof createTokenStore>
}): InitialTokens {
  return {
    async create(tenant, { name, uses, ttl }) {
      const [id, token] = [randomUUID(), newHandle()]
      const expiresAt = ttl === undefined ? undefined : clock.now() + ttl * 1000
      await database.transaction(async () => {
        await tokens.addInitial(tenant, hashOf(token), { id, name, uses, expiresAt })
        const detail = { initial_access: id, name, uses }
        await audit.record(tenant, { type: 'registration.token_created', detail })
      })
      return { id, token }
    },
    page: tokens.pageInitial,
    find: async (tenant, id) => (await tokens.pageInitial(tenant, { id, limit: 1 }))[0],
    revoke: (tenant, id) =>
      database.transaction(async () => {
        const gone = await tokens.revokeInitial(tenant, id)
        const detail = { initial_access: id }
        if (gone) await audit.record(tenant, { type: 'registration.token_revoked', detail })
        return gone
      }),
  }
}
