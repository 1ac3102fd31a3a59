import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'

/** The certificate that the other side showed in the handshake. */
export function certificateOfPeer({ socket }: IncomingMessage): X509Certificate | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
}

/**
 * The certificate that a proxy passed on: the only one in the header, of Envoy's list the only one in its last element.
 *
 * | Written as                                   | by                                      |
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
  if (!/^[A-Za-z\d+/]+={0,2}$/.test(base64)) throw new Error('it is no certificate')
  const der = Buffer.from(base64, 'base64')
  const certificate = new X509Certificate(der)
  // Node reads the first of two that stand together.
  if (!certificate.raw.equals(der)) throw new Error('it is more than a certificate')
  return certificate
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
