/**
 * Parses a client certificate in any of the formats of proxies that Keyturn itself accepts. The text must hold exactly
 * one certificate; of Envoy's list, the last element must.
 *
 * | Format                                       | by                                      |
 * |----------------------------------------------|-----------------------------------------|
 * | PEM, percent-encoded or not                  | Node, nginx, AWS                        |
 * | `:Base64 of DER:`                            | RFC 9440 §2.1 (`Client-Cert`), HAProxy  |
 * | PEM with spaces for line ends, or its Base64 | Apache, Traefik                         |
 * | `…;Cert="PEM, percent-encoded";…`            | Envoy (`X-Forwarded-Client-Cert`)       |
 *
 * @returns DER; undefined for anything else
 */
export function certificateIn(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    const plain = decodeURIComponent(writtenIn(text.trim()))
    const [, pem] =
      /^\s*-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----\s*$/.exec(plain) ?? []
    const binary = atob((pem ?? plain).replaceAll(/\s/g, ''))
    return Uint8Array.from(binary, (letter) => letter.charCodeAt(0))
  } catch {
    return undefined
  }
}

const pair = String.raw`\s*[a-z]+=(?:"(?:[^"\\]|\\.)*"|[^",;]*)`
const pairs = new RegExp(pair, 'gis')
/** Matched from the end: earlier elements may come from the caller, with unterminated quotes. */
const lastElement = new RegExp(`^(?:.*,)?(${pair}(?:;${pair})*)$`, 'is')

/**
 * @returns the encoded certificate
 * @throws Error when it is a list of Envoy whose last element does not have exactly one `Cert`
 */
function writtenIn(text: string): string {
  const [, element] = lastElement.exec(text) ?? []
  if (element === undefined) return /^:(.*):$/.exec(text)?.[1] ?? text
  const certificates = element.match(pairs)?.filter((each) => /^\s*Cert=/i.test(each)) ?? []
  const [written = '', ...others] = certificates
  const [, certificate] = /="(.*)"$/.exec(written) ?? []
  if (certificate === undefined) throw new Error('the last element of the list has no certificate')
  if (others.length > 0) throw new Error('it contains more than one certificate')
  return certificate
}
