import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A file that our pages link to. `etag` is a strong validator, quoted as on the wire (RFC 9110 §8.8.3). */
export type Asset = { readonly body: Buffer; readonly type: string; readonly etag: string }

/** Asset → its media type and the files of `src/assets` that it is concatenated from. */
const sources = {
  'keyturn.css': ['text/css; charset=utf-8', 'keyturn.theme.css', 'keyturn.css'],
  'keyturn.svg': ['image/svg+xml', 'keyturn.svg'],
  'once.js': ['text/javascript; charset=utf-8', 'once.js'],
  'passkey.js': ['text/javascript; charset=utf-8', 'passkey.js'],
  'show-password.js': ['text/javascript; charset=utf-8', 'show-password.js'],
  'submit.js': ['text/javascript; charset=utf-8', 'submit.js'],
} as const

export type AssetName = keyof typeof sources

const assets: ReadonlyMap<string, Asset> = new Map(
  Object.entries(sources).map(([name, [type, ...files]]) => {
    const body = Buffer.concat(
      files.map((file) => readFileSync(new URL(`../assets/${file}`, import.meta.url))),
    )
    return [name, assetOf(type, body)]
  }),
)

/** Every asset by its file name, read once at start. */
export function loadAssets(): ReadonlyMap<string, Asset> {
  return assets
}

/**
 * The `v` parameter of an asset's link. It changes with the content, so versioned links may be cached for ever.
 * @returns 16 characters of base64url
 */
export function assetVersion(name: AssetName): string {
  return assets.get(name)?.etag.slice(1, -1) ?? ''
}

export function assetOf(type: string, body: Buffer): Asset {
  return { body, type, etag: `"${hash('sha256', body, 'base64url').slice(0, 16)}"` }
}
