/** An image and its type, detected from its first bytes, never from a claimed type. */
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

/** What may precede the root element of an SVG file: XML declaration, comments, document type. */
const svg = /^\ufeff?(?:\s|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>[]*>)*<svg[\s>]/s

/** A PNG, JPEG, GIF or WebP: formats that can only be images. */
export function rasterOf(body: Buffer): Image | undefined {
  const start = body.toString('latin1', 0, 16)
  const type = Object.keys(rasters).find((each) => rasters[each]?.test(start))
  return type === undefined ? undefined : { type, body }
}

/** The same, or SVG, which is a document and safe only in an `<img>`. */
export function imageOf(body: Buffer): Image | undefined {
  const isSvg = svg.test(body.toString('utf8', 0, 4096))
  return isSvg ? { type: 'image/svg+xml', body } : rasterOf(body)
}
