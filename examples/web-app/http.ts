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
 * Refuses cross-site form posts (CSRF). Browsers report the origin of a form, and no page can forge it; the cookie's
 * SameSite=Lax is a second defence.
 */
export function onlyOwnForms(baseUrl: URL): Middleware {
  return (ctx, next) => {
    const safe = ctx.method === 'GET' || ctx.method === 'HEAD'
    if (!safe && ctx.get('Origin') !== baseUrl.origin) ctx.throw(403, 'not a form of this site')
    return next()
  }
}

/** Headers of every answer. The policy allows only this app's own files. */
export function headers({ issuer }: Settings): Middleware {
  const policy = [
    "default-src 'none'",
    ...['script-src', 'style-src', 'img-src', 'connect-src'].map((each) => `${each} 'self'`),
    // The sign-out form redirects to the authorization server.
    `form-action 'self' ${issuer.origin}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ]
  return async (ctx, next) => {
    ctx.set({
      'Content-Security-Policy': policy.join('; '),
      'X-Content-Type-Options': 'nosniff',
      // Other sites do not learn our URLs. Not no-referrer: browsers would then hide the Origin of our own forms, too.
      'Referrer-Policy': 'same-origin',
      'Cache-Control': 'no-store',
    })
    await next()
  }
}

/** A cookie of this app. Lax: sent when a link on another site leads here, but not with another site's form. */
export function createCookie(name: string, baseUrl: URL) {
  const secure = baseUrl.protocol === 'https:'
  // With this prefix browsers accept the cookie only over https and from this exact host.
  const fullName = secure ? `__Host-${name}` : name
  const options = { httpOnly: true, secure, sameSite: 'lax', path: '/', overwrite: true } as const
  function write(ctx: Context, value: string | null): void {
    // TLS may end at a proxy: what counts is the URL that browsers use.
    ctx.cookies.secure = secure
    ctx.cookies.set(fullName, value, options)
  }

  return {
    get: (ctx: Context) => ctx.cookies.get(fullName),
    set: (ctx: Context, value: string) => write(ctx, value),
    clear: (ctx: Context) => write(ctx, null),
  }
}
