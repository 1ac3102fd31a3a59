import { type Image, rasterOf } from '../../config/image.ts'
import { DomainError } from '../errors.ts'
import type { IssuerContext } from '../oidc/capabilities.ts'
import { createCache } from '../storage/cache.ts'
import type { PageParts } from './parts.ts'

/** Most bytes of a logo. */
const largest = 65_536
/** How long a logo, or its absence, is cached, in seconds; and most cached logos. */
const kept = { maxAge: 600, maxSize: 100 }

/**
 * Logos of clients (`logo_uri`). This server fetches them and serves its own copy: so the policy of the pages stays
 * `img-src 'self'`, and the client's host does not learn who looks or when, nor can it show different images to
 * different people. Only raster images are shown, not SVG, which is a document.
 */
export function createClientLogos(context: IssuerContext): PageParts['showLogo'] {
  const { fetch, log } = context
  const cache = createCache<Image | undefined>(context, kept)

  async function load(uri: string): Promise<Image | undefined> {
    try {
      const answer = await fetch(uri, { headers: { accept: 'image/png, image/jpeg, image/webp' } })
      const body = Buffer.from(await answer.arrayBuffer())
      const image = answer.status === 200 && body.length <= largest ? rasterOf(body) : undefined
      if (image) return image
      const came = { status: answer.status, bytes: body.length }
      log.info(
        { uri, expected: `a PNG, JPEG or WebP image of at most ${largest} bytes`, came },
        'no client logo',
      )
    } catch (error) {
      log.info({ uri, err: error }, 'no client logo')
    }
    return undefined
  }

  return async (ctx, uri) => {
    const image = uri === undefined ? undefined : await cache.get(uri, () => load(uri))
    if (!image) throw new DomainError('not_found', { detail: 'the client has no logo to show' })
    ctx.type = image.type
    ctx.body = image.body
  }
}
