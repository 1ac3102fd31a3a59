import { renderSVG } from 'uqr'

/** A QR code as SVG, without script or external resources. */
export function qrCode(text: string): string {
  return renderSVG(text, { ecc: 'M', border: 4, pixelSize: 6 })
}
