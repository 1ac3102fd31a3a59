import 'reflect-metadata'
import type { webcrypto } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralName,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { temporaryFolder } from './child.ts'

/** A certificate and its key, in PEM. */
export interface Identity {
  readonly cert: string
  readonly key: string
}

/** A certificate authority. */
export interface Authority extends Identity {
  readonly subject: string
  /** Issues a certificate. @param subject as in `CN=web, O=Example` */
  issue(subject: string, options?: Issue): Promise<Identity>
}

interface Issue {
  names?: JsonGeneralName[]
  /** Seconds from now; two days by default. */
  expiresIn?: number
  startsIn?: number
  /** Object identifiers of extended key usages. */
  usages?: string[]
  isAuthority?: boolean
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const day = 24 * 3600
let serials = 1

const pem = (label: string, der: ArrayBuffer) =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString('base64')}\n-----END ${label}-----\n`

interface Signer {
  subject: string
  privateKey: webcrypto.CryptoKey
}

async function make(subject: string, options: Issue, signer?: Signer) {
  const { names = [], expiresIn = 2 * day, startsIn = -day, usages, isAuthority = false } = options
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const extensions: Extension[] = [new BasicConstraintsExtension(isAuthority, undefined, true)]
  if (names.length > 0) extensions.push(new SubjectAlternativeNameExtension(names))
  if (usages) extensions.push(new ExtendedKeyUsageExtension(usages))
  const certificate = await X509CertificateGenerator.create({
    serialNumber: (serials++).toString(16).padStart(2, '0'),
    subject,
    issuer: signer?.subject ?? subject,
    notBefore: new Date(Date.now() + startsIn * 1000),
    notAfter: new Date(Date.now() + expiresIn * 1000),
    publicKey: keys.publicKey,
    signingKey: signer?.privateKey ?? keys.privateKey,
    signingAlgorithm: algorithm,
    extensions,
  })
  const identity: Identity = {
    cert: certificate.toString('pem'),
    key: pem('PRIVATE KEY', await crypto.subtle.exportKey('pkcs8', keys.privateKey)),
  }
  return { identity, privateKey: keys.privateKey }
}

/** A self-signed certificate. */
export async function selfSigned(subject: string, options: Issue = {}): Promise<Identity> {
  return (await make(subject, options)).identity
}

/** Creates a CA, by default with a unique name: trust stores tell CAs apart by name. */
export async function createAuthority(subject = `CN=Test CA ${serials++}`): Promise<Authority> {
  const { identity, privateKey } = await make(subject, { isAuthority: true })
  return {
    ...identity,
    subject,
    issue: async (name, options = {}) =>
      (await make(name, options, { subject, privateKey })).identity,
  }
}

/** A server's certificate for localhost, in files. */
export async function serverFiles(authority: Authority) {
  const folder = await temporaryFolder('tls')
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const write = async ({ cert, key }: Identity) => {
    await writeFile(certFile, cert)
    await writeFile(keyFile, key)
  }
  const issue = () =>
    authority.issue('CN=localhost', {
      names: [
        { type: 'dns', value: 'localhost' },
        { type: 'ip', value: '127.0.0.1' },
      ],
    })
  await write(await issue())
  return { certFile, keyFile, write, issue }
}

/** Makes this process trust a CA: `fetch` and `https` cannot do so for a single server. */
export function trust({ cert }: Authority): void {
  setDefaultCACertificates([...getCACertificates('default'), cert])
}
