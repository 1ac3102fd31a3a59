import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'

/** The certificate that the peer presented in the TLS handshake. */
export function certificateOfPeer({ socket }: IncomingMessage): X509Certificate | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
}

/**
 * The client certificate that a proxy forwarded. The header must hold exactly one; of Envoy's list, the last element
 * must.
 *
 * | Format                                       | by                                      |
 * |----------------------------------------------|-----------------------------------------|
 * | `:Base64 of DER:`                            | RFC 9440 §2.1 (`Client-Cert`), HAProxy  |
 * | PEM, percent-encoded                         | nginx, AWS                              |
 * | PEM with spaces for line ends, or its Base64 | Apache, Traefik                         |
 * | `…;Cert="PEM, percent-encoded";…`            | Envoy (`X-Forwarded-Client-Cert`)       |
 *
 * @throws Error for anything else
 */
export function certificateInHeader(value: string): X509Certificate {
  const pem = decodeURIComponent(writtenIn(value.trim()))
  const base64 = pem.replace(/-----(BEGIN|END) CERTIFICATE-----|\s/g, '')
  if (!/^[A-Za-z\d+/]+={0,2}$/.test(base64)) throw new Error('it is not a certificate')
  const der = Buffer.from(base64, 'base64')
  const certificate = new X509Certificate(der)
  // Of two concatenated certificates Node reads only the first.
  if (!certificate.raw.equals(der)) throw new Error('it contains more than a certificate')
  return certificate
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
