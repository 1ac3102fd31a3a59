import type { Middleware } from 'koa'
import type { CookieSignatures } from './cookie-signatures.ts'

/**
 * Moves the signature of the session cookie of an issuer below a path to a `__Host-` cookie. The session cookie goes to
 * that path alone, so any host of the domain can set one of its name. No other host can set a `__Host-` cookie (RFC
 * 6265bis §4.1.3.2): a planted session has no signature and signs nobody in. Nor does it hide the real one: of several
 * session cookies, the one with the signature counts. The signature is of no use to others on the host.
 * @param name of the session cookie; the rest of the server calls its signature `<name>.sig`
 * @param hostName the name of the signature cookie in browsers
 */
export function signatureOfHost(
  name: string,
  hostName: string,
  { basePath, signatures }: { basePath: string; signatures: CookieSignatures },
): Middleware {
  const [inside, outside] = [`${name}.sig=`, `${hostName}=`]
  const isOurs = (cookie: string) => cookie.startsWith(inside)
  const toHost = (cookie: string) =>
    isOurs(cookie)
      ? cookie.replace(inside, outside).replace(`; path=${basePath};`, '; path=/;')
      : cookie

  return async ({ req, res }, next) => {
    const came = req.headers.cookie?.split(/; */).filter((cookie) => !isOurs(cookie))
    if (came) {
      const signature = came.find((cookie) => cookie.startsWith(outside))?.slice(outside.length)
      const isPlanted = (cookie: string) =>
        cookie.startsWith(`${name}=`) && !signatures.verify(cookie, signature ?? '')
      const named = came.map((cookie) =>
        cookie.startsWith(outside) ? inside + cookie.slice(outside.length) : cookie,
      )
      req.headers.cookie = named.filter((cookie) => !isPlanted(cookie)).join('; ')
    }
    try {
      await next()
    } finally {
      const set = res.getHeader('set-cookie')
      if (Array.isArray(set)) res.setHeader('set-cookie', set.map(toHost))
    }
  }
}
