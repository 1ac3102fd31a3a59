import { createHmac, createSecretKey } from 'node:crypto'
import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import { isThisMachine } from '../outgoing/address.ts'
import { equalInConstantTime } from '../secrets/handle.ts'

/** Protects our forms against being sent by other sites (security class C23, ASVS 3.5.1). */
export interface Csrf {
  /** @param binding what the form belongs to, known only to this browser by its cookie: an interaction, a session */
  token(binding: string): string
  /**
   * Checks that the form was sent by one of our pages, without looking at its token.
   * @throws DomainError `csrf_failed`
   */
  checkOrigin(ctx: Context): void
  /** Checks origin and token. @throws DomainError `csrf_failed` */
  check(ctx: Context, binding: string, token: string | undefined): void
}

export function createCsrf({ secret, issuer }: { secret: Buffer; issuer: string }): Csrf {
  const { origin, hostname } = new URL(issuer)
  const key = createSecretKey(secret)
  const token = (binding: string) => createHmac('sha256', key).update(binding).digest('base64url')

  function checkOrigin(ctx: Context): void {
    if (fromOurPage(ctx, origin, hostname)) return
    throw new DomainError('csrf_failed', {
      detail: {
        check: 'origin',
        expected: origin,
        came: ctx.get('origin'),
        fetch_site: ctx.get('sec-fetch-site'),
      },
    })
  }

  return {
    token,
    checkOrigin,
    check(ctx, binding, given) {
      checkOrigin(ctx)
      if (given === undefined || !equalInConstantTime(given, token(binding))) {
        throw new DomainError('csrf_failed', { detail: { check: 'token' } })
      }
    },
  }
}

/**
 * Whether a form comes from the issuer's origin, or from loopback when the issuer is there too. A page with
 * `Referrer-Policy: no-referrer` posts with `Origin: null` (Fetch §3.2); then `Sec-Fetch-Site` decides. A client that
 * sends neither header is no browser that another site could abuse; for it the token decides. No site can make a
 * browser send `none` (Fetch Metadata §2.4), but Safari 16.4 to 17 sends it from every page without a referrer.
 */
function fromOurPage(ctx: Context, origin: string, hostname: string): boolean {
  const site = ctx.get('sec-fetch-site')
  if (!['', 'none', 'same-origin'].includes(site)) return false
  const came = ctx.get('origin')
  if (came === '' || came === origin) return true
  if (came === 'null') return site !== ''
  return isThisMachine(hostname) && isThisMachine(URL.parse(came)?.hostname ?? '')
}
