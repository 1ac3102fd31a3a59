import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'

/** The certificate that the other side showed in the handshake. */
export function certificateOfPeer({ socket }: IncomingMessage): X509Certificate | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
}

/**
 * The certificate that a proxy passed on: the only one in the header, or the last of Envoy's list.
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
  const [, envoy] = [...value.matchAll(/(?:^|[;,])\s*Cert="([^"]*)"/gi)].at(-1) ?? []
  const [, rfc9440] = /^:(.*):$/.exec(value) ?? []
  const pem = decodeURIComponent(envoy ?? rfc9440 ?? value)
  const base64 = pem.replace(/-----(BEGIN|END) CERTIFICATE-----|\s/g, '')
  if (!/^[A-Za-z\d+/]+={0,2}$/.test(base64)) throw new Error('it is no certificate')
  const der = Buffer.from(base64, 'base64')
  const certificate = new X509Certificate(der)
  // Node reads the first of two that stand together.
  if (!certificate.raw.equals(der)) throw new Error('it is more than a certificate')
  return certificate
}
