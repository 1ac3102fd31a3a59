import type { Middleware } from 'koa'

/**
 * Security headers of every answer, errors included (ASVS 3.4, 14.3.2; P-014).
 *
 * `script-src` allows only our own files: the script that submits the form of a form_post answer. There is no
 * `form-action`: browsers apply it to the whole redirect chain that follows a form, which ends at the client (K-24).
 * There is no Cross-Origin-Opener-Policy: clients sign people in from pop-ups.
 */
export function securityHeaders({ isHttps }: { isHttps: boolean }): Middleware {
  const headers = securityHeadersOf({ isHttps })
  return (ctx, next) => {
    ctx.set(headers)
    return next()
  }
}

/** The same headers for answers outside of any issuer: for an unknown one, and to input that is not HTTP. */
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

/** Headers of our own SVG images, in case one is opened as a document: no script, no requests, an opaque origin. */
export const pictureOfOurs = {
  'Content-Type': 'image/svg+xml',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
}
