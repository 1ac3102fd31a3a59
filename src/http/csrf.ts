import { createHmac, createSecretKey } from 'node:crypto'
import type { Context } from 'koa'
import { DomainError } from '../errors.ts'
import { isThisMachine } from '../outgoing/address.ts'
import { equalInConstantTime } from '../secrets/handle.ts'

/** Protects our forms against being sent by other sites (security class C23, ASVS 3.5.1). */
export interface Csrf {
  /** @param binding what the form belongs to and only this browser's cookie can name: an interaction, a session */
  token(binding: string): string
  /**
   * Whether the form came from a page of ours, whatever token it carries.
   * @throws DomainError `csrf_failed`
   */
  checkOrigin(ctx: Context): void
  /** Origin and token. @throws DomainError `csrf_failed` */
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
 * The form must come from the issuer's origin, or from loopback when the issuer is there too. A page with
 * `Referrer-Policy: no-referrer` posts with `Origin: null` (Fetch §3.2), then the browser's own word counts. Clients
 * that send neither header are no browsers that another site could abuse; the token decides for them. `none` is what no
 * site can have a browser say (Fetch Metadata §2.4), but Safari 16.4 to 17 says it of every page without a referrer.
 */
function fromOurPage(ctx: Context, origin: string, hostname: string): boolean {
  const site = ctx.get('sec-fetch-site')
  if (!['', 'none', 'same-origin'].includes(site)) return false
  const came = ctx.get('origin')
  if (came === '' || came === origin) return true
  if (came === 'null') return site !== ''
  return isThisMachine(hostname) && isThisMachine(URL.parse(came)?.hostname ?? '')
}
