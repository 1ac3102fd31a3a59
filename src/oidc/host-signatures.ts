import type { Middleware } from 'koa'
import type { CookieSignatures } from './cookie-signatures.ts'

/**
 * The session of an issuer below a path: its cookie goes to that path alone, so that every host of the domain can set
 * one of its name. The signature of it goes to the whole host, named `__Host-`, which no other host can set (RFC 6265bis
 * §4.1.3.2): what was planted has none, and signs nobody in; nor does it hide the session, as of several cookies of that
 * name the signed one counts. To whoever else is on the host the signature is of no use.
 * @param name of the cookie; `<name>.sig` is what the rest of the server calls its signature
 * @param hostName what browsers call it
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
