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
 * @returns DER: of several in PEM the first, in Envoy's list the last; undefined when there is none
 */
export function certificateIn(text: string): Uint8Array<ArrayBuffer> | undefined {
  const [, envoy] = [...text.matchAll(/(?:^|[;,])\s*Cert="([^"]*)"/gi)].at(-1) ?? []
  const [, rfc9440] = /^:(.*):$/.exec(text) ?? []
  try {
    const plain = decodeURIComponent(envoy ?? rfc9440 ?? text)
    const [, pem] = /-----BEGIN CERTIFICATE-----([^-]+)-----END/.exec(plain) ?? []
    const binary = atob((pem ?? plain).replaceAll(/\s/g, ''))
    return Uint8Array.from(binary, (letter) => letter.charCodeAt(0))
  } catch {
    return undefined
  }
}
