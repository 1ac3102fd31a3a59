/**
 * The certificate in a text, as the proxies write it that Keyturn itself believes:
 *
 * | Written as                                   | by                                      |
 * |----------------------------------------------|-----------------------------------------|
 * | PEM, percent-encoded or not                  | Node, nginx, AWS                        |
 * | `:Base64 of DER:`                            | RFC 9440 §2.1 (`Client-Cert`), HAProxy  |
 * | PEM with spaces for line ends, or its Base64 | Apache, Traefik                         |
 * | `…;Cert="PEM, percent-encoded";…`            | Envoy (`X-Forwarded-Client-Cert`)       |
 *
 * @returns DER: the only one in the text, of Envoy's list the only one in its last element; undefined otherwise
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
/** Found from the end: what stands before it may come from the caller, with quotes that never end. */
const lastElement = new RegExp(`^(?:.*,)?(${pair}(?:;${pair})*)$`, 'is')

/**
 * @returns what is written in place of the certificate
 * @throws Error when it is a list of Envoy whose last element has not one `Cert`
 */
function writtenIn(text: string): string {
  const [, element] = lastElement.exec(text) ?? []
  if (element === undefined) return /^:(.*):$/.exec(text)?.[1] ?? text
  const certificates = element.match(pairs)?.filter((each) => /^\s*Cert=/i.test(each)) ?? []
  const [written = '', ...others] = certificates
  const [, certificate] = /="(.*)"$/.exec(written) ?? []
  if (certificate === undefined) throw new Error('the last element of the list has no certificate')
  if (others.length > 0) throw new Error('it is more than a certificate')
  return certificate
}
