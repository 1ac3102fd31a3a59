import { renderSVG } from 'uqr'

/** A QR code as an SVG document, without script and without anything from elsewhere. */
export function qrCode(text: string): string {
  return renderSVG(text, { ecc: 'M', border: 4, pixelSize: 6 })
}
