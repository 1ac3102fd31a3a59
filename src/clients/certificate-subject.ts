import { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { z } from 'zod'

/**
 * The subject that a certificate must have to authenticate a client (`tls_client_auth`, RFC 8705 §2.1.2). A client has
 * exactly one of these members.
 */
export const certificateSubject = {
  tls_client_auth_subject_dn: z
    .string()
    .refine((dn) => parseDn(dn) !== undefined, {
      error: 'must be a distinguished name (RFC 4514) such as CN=web,O=Example',
    })
    .optional(),
  tls_client_auth_san_dns: z
    .string()
    .regex(/^[a-z\d_-]+(\.[a-z\d_-]+)*$/i, { error: 'must be a DNS name without wildcards' })
    .optional(),
  tls_client_auth_san_uri: z
    .string()
    .refine((uri) => URL.canParse(uri), { error: 'must be a URI' })
    .optional(),
  tls_client_auth_san_ip: z
    .string()
    .refine((ip) => isIP(ip) > 0, { error: 'must be an IP address' })
    .optional(),
  tls_client_auth_san_email: z
    .string()
    .regex(/^[^\s@]+@[^\s@]+$/, { error: 'must be an e-mail address' })
    .optional(),
}

/** Faults of certificate members in combination: member and message. */
export function certificateFaults(
  client: CertificateMembers,
): Array<[member: string, message: string]> {
  const faults: Array<[string, string]> = []
  const method = client.token_endpoint_auth_method
  const given = subjectMembers.filter((member) => client[member] !== undefined)
  if (method === 'tls_client_auth' && given.length !== 1) {
    const message = `tls_client_auth requires exactly one of ${subjectMembers.join(', ')}`
    faults.push(['token_endpoint_auth_method', message])
  }
  if (method !== 'tls_client_auth') {
    for (const member of given) {
      faults.push([member, 'is allowed only with token_endpoint_auth_method tls_client_auth'])
    }
  }
  if (
    method === 'self_signed_tls_client_auth' &&
    client.jwks?.keys.some((key) => !hasCertificate(key))
  ) {
    faults.push(['jwks', 'must have the certificate of each key in x5c (RFC 8705 §2.2.2)'])
  }
  if (client.tls_client_certificate_bound_access_tokens && client.dpop_bound_access_tokens) {
    const message =
      'must not be combined with dpop_bound_access_tokens: a token is bound to one key'
    faults.push(['tls_client_certificate_bound_access_tokens', message])
  }
  return faults
}

type CertificateMembers = Partial<Record<SubjectMember, string | undefined>> & {
  token_endpoint_auth_method: string
  tls_client_certificate_bound_access_tokens: boolean
  dpop_bound_access_tokens: boolean
  jwks?: { keys: Array<Record<string, unknown>> } | undefined
}

function hasCertificate({ x5c }: Record<string, unknown>): boolean {
  try {
    const [first] = x5c as [string]
    return new X509Certificate(Buffer.from(first, 'base64')).raw.length > 0
  } catch {
    return false
  }
}

export type SubjectMember = keyof typeof certificateSubject

const subjectMembers = Object.keys(certificateSubject) as SubjectMember[]

/** Whether a certificate has the registered subject: the whole DN, or one of the alternative names. */
export function subjectMatches(
  certificate: X509Certificate,
  member: SubjectMember,
  expected: string,
): boolean {
  const names = alternativeNames(certificate)
  const named = (kind: string) => names.filter(([type]) => type === kind).map(([, name]) => name)
  switch (member) {
    case 'tls_client_auth_subject_dn':
      return sameDn(parseDn(expected), dnOf(certificate))
    case 'tls_client_auth_san_dns':
      return named('DNS').some((name) => name.toLowerCase() === expected.toLowerCase())
    case 'tls_client_auth_san_uri':
      return named('URI').includes(expected)
    case 'tls_client_auth_san_ip':
      return certificate.checkIP(expected) !== undefined
    case 'tls_client_auth_san_email':
      return named('email').includes(expected)
  }
}

/** One relative distinguished name: its attributes as `TYPE=value`, sorted. */
type Rdn = string[]

/** The most specific one first, as RFC 4514 §2.1 writes them; undefined for what is no DN. */
function parseDn(dn: string): Rdn[] | undefined {
  return split(dn, ',').reduce<Rdn[] | undefined>((rdns, text) => {
    const attributes = split(text, '+').map(attributeOf)
    return attributes.every((attribute) => attribute !== undefined)
      ? rdns?.concat([attributes.toSorted()])
      : undefined
  }, [])
}

/** Node writes a line per RDN, the least specific one first, and escapes as RFC 4514 §2.4 does. */
function dnOf({ subject }: X509Certificate): Rdn[] | undefined {
  return parseDn((subject ?? '').split('\n').toReversed().join(','))
}

function sameDn(one: Rdn[] | undefined, other: Rdn[] | undefined): boolean {
  return one !== undefined && JSON.stringify(one) === JSON.stringify(other)
}

/** Splits where a separator is not escaped. */
function split(text: string, separator: ',' | '+'): string[] {
  const part = separator === ',' ? /(?:\\.|[^\\,])+/gs : /(?:\\.|[^\\+])+/gs
  return text.match(part) ?? ['']
}

function attributeOf(text: string): string | undefined {
  const [, type = '', value] = /^\s*([a-z][a-z\d-]*|\d+(?:\.\d+)+)=(.*)$/is.exec(text) ?? []
  // White space at the ends counts only where it is escaped; a value in hexadecimal (`#`) is not read.
  const [, kept] = /^\s*((?:\\.|[^\\\s]|\s(?!\s*$))*)/s.exec(value ?? '#') ?? []
  if (!kept || kept.startsWith('#')) return undefined
  return `${type.toUpperCase()}=${unescaped(kept)}`
}

function unescaped(value: string): string {
  return value
    .replace(/(?:\\[\da-f]{2})+/gi, (bytes) =>
      Buffer.from(bytes.replaceAll('\\', ''), 'hex').toString(),
    )
    .replace(/\\(.)/gs, '$1')
}

/** Kind and value of each subject alternative name; Node quotes values that could be mistaken for more than one. */
function alternativeNames({ subjectAltName = '' }: X509Certificate): Array<[string, string]> {
  const names = subjectAltName.matchAll(/([\w ]+):("(?:\\.|[^"\\])*"|[^,]*)(?:, |$)/gy)
  return [...names].map(([, kind = '', value = '']) => [
    kind,
    value.startsWith('"') ? (JSON.parse(value) as string) : value,
  ])
}
