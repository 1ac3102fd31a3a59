import type { IncomingMessage } from 'node:http'
import type { Context, Middleware } from 'koa'
import type { Settings } from './settings.ts'

/** The fields of a posted form, of at most 16 KiB. */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > 16_384) {
      throw Object.assign(new Error('the form is too long'), { status: 413, expose: true })
    }
    parts.push(part)
  }
  return new URLSearchParams(Buffer.concat(parts).toString())
}

/**
 * Refuses what another site posts in a person's name (CSRF). A browser says where a form was sent from, and no page can
 * make it lie; the cookie's SameSite=Lax is a second reason for such a request to fail.
 */
export function onlyOwnForms(baseUrl: URL): Middleware {
  return (ctx, next) => {
    const safe = ctx.method === 'GET' || ctx.method === 'HEAD'
    if (!safe && ctx.get('Origin') !== baseUrl.origin) ctx.throw(403, 'not a form of this site')
    return next()
  }
}

/** Headers for every answer. The policy lets the page have nothing but this app's own files. */
export function headers({ issuer }: Settings): Middleware {
  const policy = [
    "default-src 'none'",
    ...['script-src', 'style-src', 'img-src', 'connect-src'].map((each) => `${each} 'self'`),
    // Signing out is a form that leads to the authorization server.
    `form-action 'self' ${issuer.origin}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  return async (ctx, next) => {
    ctx.set({
      'Content-Security-Policy': policy.join('; '),
      'X-Content-Type-Options': 'nosniff',
      // No other site learns our addresses. Not no-referrer: browsers would hide the Origin of our own forms, too.
      'Referrer-Policy': 'same-origin',
      'Cache-Control': 'no-store',
    })
    await next()
  }
}

/** A cookie of this app. Lax: a link from elsewhere finds the person signed in, and a foreign form does not. */
export function createCookie(name: string, baseUrl: URL) {
  const secure = baseUrl.protocol === 'https:'
  // With this prefix browsers take the cookie only over https and from this very host.
  const fullName = secure ? `__Host-${name}` : name
  const options = { httpOnly: true, secure, sameSite: 'lax', path: '/', overwrite: true } as const
  function write(ctx: Context, value: string | null): void {
    // TLS may end at a proxy: what counts is the address that browsers use.
    ctx.cookies.secure = secure
    ctx.cookies.set(fullName, value, options)
  }

  return {
    get: (ctx: Context) => ctx.cookies.get(fullName),
    set: (ctx: Context, value: string) => write(ctx, value),
    clear: (ctx: Context) => write(ctx, null),
  }
}
