import { EncryptJWT, errors, jwtDecrypt } from 'jose'
import type { Context } from 'koa'

interface CookieOptions {
  key: Buffer
  /** Whether the app is served over https. */
  secure: boolean
  sameSite: 'strict' | 'lax'
  /** Seconds after which the content expires, whatever the browser does. */
  lifetime: number
}

/**
 * A cookie with encrypted content (A256GCM) that only this server can read and write. No database is needed: any
 * process with the same key can answer the next request.
 * @typeParam T has only JSON members
 */
export function sealedCookie<T extends object>(name: string, options: CookieOptions) {
  const { key, secure, sameSite, lifetime } = options
  // With this prefix browsers accept the cookie only over https, from this exact host, for all paths.
  const fullName = secure ? `__Host-${name}` : name
  const attributes = { httpOnly: true, secure, sameSite, path: '/', overwrite: true } as const

  function write(ctx: Context, value: string | null): void {
    // TLS may end at a proxy: what counts is the URL that browsers use.
    ctx.cookies.secure = secure
    ctx.cookies.set(fullName, value, attributes)
  }

  return {
    /** @returns undefined when there is none, or it is forged or expired */
    async read(ctx: Context): Promise<T | undefined> {
      const value = ctx.cookies.get(fullName)
      if (value === undefined) return undefined
      try {
        const { payload } = await jwtDecrypt<{ content: T }>(value, key, {
          // Bound to the name, so that one cookie cannot be passed off as another.
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
