import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { z } from 'zod'

/**
 * Kinds of setting values: each parses the text of an environment variable. The description says what is expected, both
 * in fault messages and in the reference.
 */

/** A whole number within bounds, both included. */
export function integer(min: number, max: number) {
  return z
    .string()
    .regex(/^-?\d{1,15}$/)
    .transform(Number)
    .pipe(z.number().min(min).max(max))
    .describe(`an integer from ${min} to ${max}`)
}

/** Output: a number, or `auto`. */
export const workers = z
  .union([z.literal('auto'), integer(1, 256)])
  .describe('auto or an integer from 1 to 256')

/** The members of a setting that is a number of seconds. */
export const seconds = (min: number, max: number) =>
  ({ unit: 'seconds', schema: integer(min, max) }) as const

/** One of a few words. */
export function oneOf<const Words extends readonly [string, ...string[]]>(words: Words) {
  return z.enum(words).describe(`one of ${words.join(', ')}`)
}

/** Output: a boolean. */
export const flag = z
  .enum(['on', 'off', 'true', 'false', '1', '0'])
  .transform((word) => ['on', 'true', '1'].includes(word))
  .describe('on or off (true, false, 1, 0)')

/** One of a few numbers. */
export function oneNumberOf(numbers: readonly number[]) {
  const words = numbers.map(String)
  return z
    .string()
    .refine((value) => words.includes(value))
    .transform(Number)
    .describe(`one of ${words.join(', ')}`)
}

/** Text without control characters. */
export function text(maxLength: number) {
  return z
    .string()
    .regex(/^\P{Cc}*$/u)
    .max(maxLength)
    .describe(`text of at most ${maxLength} characters`)
}

/** A folder; relative ones start at the working directory. Output: an absolute path. */
export const folder = z
  .string()
  .regex(/^\P{Cc}*$/u)
  .transform((path) => resolve(path))
  .describe('a path')

/** A file; a relative path starts at the working directory. Output: an absolute path. */
export const file = folder.describe('the path of a file')

export const host = z
  .string()
  .regex(/^[\w.:-]+$/)
  .describe('an IP address (IPv6 without brackets) or a host name')

export const email = z
  .string()
  .regex(/^[^\s@]+@[^\s@]+$/)
  .max(254)
  .describe('an e-mail address')

/** Output: the 32 bytes. */
export const key256 = z
  .string()
  .transform((encoded) => ({ encoded, bytes: Buffer.from(encoded, 'base64') }))
  // Node decodes leniently; only the canonical text of exactly 32 bytes comes back as it was.
  .refine(({ encoded, bytes }) => bytes.length === 32 && bytes.toString('base64') === encoded)
  .transform(({ bytes }) => bytes)
  .describe('base64 of exactly 32 bytes')

/** Output: the keys, 32 bytes each. */
export const keys256 = z
  .string()
  .transform((list) => list.split(/[\s,]+/).filter(Boolean))
  .pipe(z.array(key256))
  .describe('a list of keys, each base64 of exactly 32 bytes, separated by commas or white space')

/** Whether a URL's hostname is always this machine (RFC 6761 §6.3, RFC 5735 §3, RFC 4291 §2.5.3). */
export function isLoopbackHost(hostname: string): boolean {
  if (hostname === 'localhost' || hostname.endsWith('.localhost')) return true
  return hostname === '[::1]' || (hostname.startsWith('127.') && isIP(hostname) === 4)
}

/**
 * The issuer identifier: no query and no fragment (OpenID Connect Discovery 1.0 §3, RFC 8414 §2).
 * Output: normalised, without a trailing slash.
 */
export const issuer = z
  .string()
  .transform((given, context) => {
    const url = /^https?:\/\/[^\s\\]+$/i.test(given) ? URL.parse(given) : null
    const fault = url ? issuerFault(given, url) : 'it is not an http(s) URL'
    if (url && !fault) return url.origin + url.pathname.replace(/\/+$/, '')
    context.addIssue({ code: 'custom', message: fault ?? '' })
    return z.NEVER
  })
  .describe(
    'an https URL (http only where the host is loopback) without query, fragment and credentials',
  )

/** Output: scheme, host and port, nothing after them. */
export const origin = z
  .string()
  .transform((given, context) => {
    const url = /^https:\/\/[^\s\\]+$/i.test(given) ? URL.parse(given) : null
    if (url?.href === `${url?.origin}/`) return url.origin
    context.addIssue({
      code: 'custom',
      message: url ? 'it has further parts' : 'it is not an https URL',
    })
    return z.NEVER
  })
  .describe('an https URL with a host, optionally a port, and nothing else')

/** RFC 9110 §5.1. Output: in lower case. */
export const headerName = z
  .string()
  .regex(/^[a-z][a-z\d-]{1,99}$/i)
  .transform((name) => name.toLowerCase())
  .describe('a header name')

function issuerFault(given: string, url: URL): string | undefined {
  if (url.username || url.password) return 'it has credentials'
  if (given.includes('?')) return 'it has a query'
  if (given.includes('#')) return 'it has a fragment'
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname)) {
    return 'it is not https and its host is not loopback'
  }
  return undefined
}

/** Whether every `%` begins an escape that can be decoded (RFC 3986 §2.1). */
export function isEncoded(given: string): boolean {
  try {
    decodeURIComponent(given)
    return true
  } catch {
    return false
  }
}

/** The same for a URL without its query: clients decode user names and passwords in it. */
export const isEncodedUrl = (url: string): boolean => isEncoded(url.replace(/\?.*$/s, ''))

/** Output: the URL, with `sslmode=verify-full` in place of modes that the driver treats as that but warns about. */
export const postgresUrl = z
  .string()
  .regex(/^postgres(ql)?:\/\//)
  .refine((url) => URL.canParse(url) && isEncodedUrl(url))
  .transform((url) =>
    /[?&]uselibpqcompat=/.test(url)
      ? url
      : url.replace(/([?&]sslmode=)(?:prefer|require|verify-ca)(?=&|$)/, '$1verify-full'),
  )
  .describe('a postgres:// or postgresql:// URL, special characters percent-encoded')

/** Output: networks as `address/prefix length`; an address alone is a network of one, an empty text no network. */
export const networks = z
  .string()
  .transform((list) => list.split(/[\s,]+/).filter(Boolean))
  .transform((list, context) =>
    list.map((network) => {
      const [, address = '', length] = /^([\da-f.:]+)(?:\/(\d{1,3}))?$/i.exec(network) ?? []
      const longest = { 4: 32, 6: 128 }[isIP(address)] ?? -1
      const bits = length === undefined ? longest : Number(length)
      if (bits > longest || longest < 0) {
        context.addIssue({ code: 'custom', message: `${JSON.stringify(network)} is neither` })
      }
      return `${address}/${bits}`
    }),
  )
  .describe('a list of networks (10.0.0.0/8, fd00::/8) or addresses, separated by commas or spaces')

/** Output: the names, in order. */
export const variableNames = z
  .string()
  .transform((list) => list.split(/[\s,]+/).filter(Boolean))
  .refine((names) => names.every((name) => /^[A-Za-z_]\w*$/.test(name)))
  .describe('names of environment variables, separated by commas or spaces')

/** Output: days by name; `*` is every other name. */
export const daysByName = z
  .string()
  .transform((list) => list.split(/[\s,]+/).filter(Boolean))
  .transform((list, context) => {
    const pairs = list.map((pair) => {
      const [, name = '', days = ''] = /^([a-z_.]+|\*)=(\d{1,5})$/.exec(pair) ?? []
      if (Number(days) < 1) {
        context.addIssue({ code: 'custom', message: `${JSON.stringify(pair)} is not such a pair` })
      }
      return [name, Number(days)] as const
    })
    return Object.fromEntries(pairs) as Record<string, number>
  })
  .describe(
    'a list of type=days (account.signed_in=90), `*` for all others, separated by commas or spaces',
  )

interface RedisNode {
  host: string
  port: number
}

/** Where Redis is: one server, Sentinels that know it, or some nodes of a Cluster. */
export type RedisTarget =
  | { kind: 'single'; url: string }
  | {
      kind: 'sentinel'
      nodes: RedisNode[]
      master: string
      username?: string
      password?: string
      db: number
    }
  | { kind: 'cluster'; nodes: RedisNode[]; username?: string; password?: string }

export const redisUrl = z
  .string()
  .transform((url, context): RedisTarget => {
    const target = parseRedisUrl(url)
    if (target) return target
    context.addIssue({ code: 'custom' })
    return z.NEVER
  })
  .describe(
    'redis://host, rediss://host, redis+sentinel://host,host/master[/db] or redis+cluster://host,host, special characters percent-encoded',
  )

const manyNodes =
  /^redis\+(sentinel|cluster):\/\/(?:([^:@/]*)(?::([^@/]*))?@)?([^@/?#]+)(?:\/([^/?#]+)(?:\/(\d{1,2}))?)?\/?$/

function parseRedisUrl(url: string): RedisTarget | undefined {
  if (/^rediss?:\/\/[^/]/.test(url)) {
    return URL.canParse(url) && isEncodedUrl(url) ? { kind: 'single', url } : undefined
  }
  const [, kind, username, password, list = '', master, db] = manyNodes.exec(url) ?? []
  const nodes = list.split(',').map((node) => parseNode(node, kind === 'cluster' ? 6379 : 26379))
  if (!nodes.every((node) => node !== undefined)) return undefined
  const login = {
    ...(username ? { username: decode(username) } : {}),
    ...(password ? { password: decode(password) } : {}),
  }
  if (kind === 'cluster' && master === undefined) return { kind, nodes, ...login }
  if (kind !== 'sentinel' || master === undefined) return undefined
  return { kind, nodes, master, ...login, db: Number(db ?? 0) }
}

function parseNode(node: string, defaultPort: number): RedisNode | undefined {
  const [, address, port] = /^(\[[\da-f:]+\]|[\w.-]+)(?::(\d{1,5}))?$/i.exec(node) ?? []
  const number = Number(port ?? defaultPort)
  if (!address || number < 1 || number > 65535) return undefined
  return { host: address.replace(/[[\]]/g, ''), port: number }
}

/** Decodes percent-encoding; an invalid escape is kept as it is. */
function decode(escaped: string): string {
  return escaped.replace(/(%[\da-f]{2})+/gi, (bytes) =>
    Buffer.from(bytes.replaceAll('%', ''), 'hex').toString(),
  )
}
