import { EncryptJWT, errors, jwtDecrypt } from 'jose'
import type { Context } from 'koa'

interface CookieOptions {
  key: Buffer
  /** Whether the app is on https. */
  secure: boolean
  sameSite: 'strict' | 'lax'
  /** Seconds after which the content counts no more, whatever the browser does. */
  lifetime: number
}

/**
 * A cookie whose content only this server can read and make (A256GCM). It is state that needs no database: any number of
 * processes with the same key can answer the next request.
 * @typeParam T its members are JSON
 */
export function sealedCookie<T extends object>(name: string, options: CookieOptions) {
  const { key, secure, sameSite, lifetime } = options
  // With this prefix browsers take the cookie only over https, from this very host, for all of it.
  const fullName = secure ? `__Host-${name}` : name
  const attributes = { httpOnly: true, secure, sameSite, path: '/', overwrite: true } as const

  function write(ctx: Context, value: string | null): void {
    // TLS may end at a proxy: what counts is the address that browsers use.
    ctx.cookies.secure = secure
    ctx.cookies.set(fullName, value, attributes)
  }

  return {
    /** @returns undefined when there is none, or none that is ours and still counts */
    async read(ctx: Context): Promise<T | undefined> {
      const value = ctx.cookies.get(fullName)
      if (value === undefined) return undefined
      try {
        const { payload } = await jwtDecrypt<{ content: T }>(value, key, {
          // The name is part of it, so that one cookie cannot be passed off as another.
          audience: fullName,
          keyManagementAlgorithms: ['dir'],
          contentEncryptionAlgorithms: ['A256GCM'],
        })
        return payload.content
      } catch (error) {
        if (error instanceof errors.JOSEError) return undefined
        throw error
      }
    },
    async write(ctx: Context, content: T): Promise<void> {
      const value = await new EncryptJWT({ content })
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM' })
        .setAudience(fullName)
        .setExpirationTime(Math.floor(Date.now() / 1000) + lifetime)
        .encrypt(key)
      write(ctx, value)
    },
    clear(ctx: Context): void {
      write(ctx, null)
    },
  }
}
