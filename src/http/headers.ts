import type { Middleware } from 'koa'

/**
 * What every answer says, errors included (ASVS 3.4, 14.3.2; P-014).
 *
 * `script-src` lets in files of ours alone: the one that sends the form of a form_post answer.
 * There is no `form-action`: browsers apply it to the whole chain of redirects that follows a form, and the last of
 * them belongs to the client (K-24). There is no Cross-Origin-Opener-Policy: clients sign people in from pop-ups.
 */
export function securityHeaders({ isHttps }: { isHttps: boolean }): Middleware {
  const headers = securityHeadersOf({ isHttps })
  return (ctx, next) => {
    ctx.set(headers)
    return next()
  }
}

/** The same for answers that no issuer gives: to an unknown one, and to what is not HTTP. */
export function securityHeadersOf({ isHttps }: { isHttps: boolean }): Record<string, string> {
  return {
    'Cache-Control': 'no-store',
    'Content-Security-Policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; " +
      "object-src 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
    ...(isHttps ? { 'Strict-Transport-Security': 'max-age=63072000; includeSubDomains' } : {}),
  }
}

/** For a picture that we draw, when somebody opens it as a document: no script, no requests, an origin of its own. */
export const pictureOfOurs = {
  'Content-Type': 'image/svg+xml',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
}
