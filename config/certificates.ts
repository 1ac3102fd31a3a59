import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'

const block = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/**
 * The certificates in a PEM text, in order.
 * @throws Error when one of them is invalid
 */
export function certificatesIn(pem: string): X509Certificate[] {
  return (pem.match(block) ?? []).map((text) => new X509Certificate(text))
}

/** The fault in a PEM text of certificates; undefined when there is none. */
export function certificateFault(pem: string): string | undefined {
  try {
    if (certificatesIn(pem).length > 0) return undefined
  } catch {
    // Reported by the message below.
  }
  return 'expected PEM certificates, got something else'
}

/**
 * The fault in a PEM text that should hold the private key of the first certificate; without certificates only the key
 * itself is checked.
 */
export function keyFault(pem: string, certificates: string | undefined): string | undefined {
  let key: KeyObject
  try {
    key = createPrivateKey(pem)
  } catch {
    return 'expected an unencrypted PEM private key, got something else'
  }
  if (certificates === undefined || certificateFault(certificates)) return undefined
  const [first] = certificatesIn(certificates)
  return first?.checkPrivateKey(key)
    ? undefined
    : 'expected the key of the first certificate in TLS_CERT_FILE, got a different key'
}
