/** A picture and its type, which comes from its first bytes and never from what somebody says of it. */
export interface Image {
  type: string
  body: Buffer
}

const rasters: Readonly<Record<string, RegExp>> = {
  'image/png': /^\x89PNG\r\n/,
  'image/jpeg': /^\xff\xd8\xff/,
  'image/gif': /^GIF8[79]a/,
  'image/webp': /^RIFF.{4}WEBP/s,
}

/** What may stand before the first element of an SVG file: declaration, comments, document type. */
const svg = /^\ufeff?(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>[]*>)*<svg[\s>]/s

/** PNG, JPEG, GIF or WebP: bytes that can only be a picture. */
export function rasterOf(body: Buffer): Image | undefined {
  const start = body.toString('latin1', 0, 16)
  const type = Object.keys(rasters).find((each) => rasters[each]?.test(start))
  return type === undefined ? undefined : { type, body }
}

/** The same, or SVG, which is a document and safe in an `<img>` alone. */
export function imageOf(body: Buffer): Image | undefined {
  const isSvg = svg.test(body.toString('utf8', 0, 4096))
  return isSvg ? { type: 'image/svg+xml', body } : rasterOf(body)
}
