import { ServerResponse } from 'node:http'
import { Redis } from 'ioredis'
import type { Database } from '../../src/storage/database.ts'

/** Secrets that this process' servers issued and must not store: codes, tokens, cookies. */
const handedOut = new Set<string>()

const tokens = [
  'access_token',
  'refresh_token',
  'id_token',
  'code',
  'request_uri',
  'device_code',
  'user_code',
  'client_secret',
  'registration_access_token',
] as const

const pushed = 'urn:ietf:params:oauth:request_uri:'

/** Least length of our secrets; other servers in this process may answer shorter values. */
const shortest = 8

/** The members of a JSON body; none when it is not JSON. */
function parsedFrom(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** Watches every answer of every server in this process. */
function watchAnswers(): void {
  const { end } = ServerResponse.prototype
  ServerResponse.prototype.end = function (this: ServerResponse, ...given: unknown[]) {
    for (const cookie of [this.getHeader('set-cookie') ?? []].flat()) {
      // A client id is not secret.
      if (/^[^=]+\.client=/.test(String(cookie))) continue
      const value = /^[^=]+=([^;]{20,})/.exec(String(cookie))?.[1]
      if (value) handedOut.add(value)
    }
    const location = URL.parse(String(this.getHeader('location') ?? ''), 'http://localhost')
    const code = location?.searchParams.get('code')
    if (code) handedOut.add(code)
    const [body] = given
    // Bodies sent with their header at once (src/direct) have no header to read.
    const unnamed = this.headersSent && typeof body === 'string' && body.startsWith('{')
    const type = unnamed ? 'json' : String(this.getHeader('content-type'))
    // The `code` of a problem (RFC 9457) is none of OAuth.
    if (type.includes('json') && !type.includes('problem') && typeof body === 'string') {
      const parsed = parsedFrom(body)
      for (const name of tokens) {
        const value = parsed[name]
        // The secret part of a request_uri follows the common prefix; that of a refresh token precedes its suffix.
        if (typeof value === 'string' && value.length >= shortest) {
          handedOut.add(value.replace(pushed, '').replace(/\.e30$/, ''))
        }
      }
      // A person may type it without the dash.
      if (typeof parsed['user_code'] === 'string') {
        handedOut.add(parsed['user_code'].replace('-', ''))
      }
    }
    return Reflect.apply(end, this, given) as ServerResponse
  } as typeof end
}
watchAnswers()

/** Adds a secret that was not in an answer: a password, a client secret. */
export function remember(...secrets: string[]): void {
  for (const secret of secrets) handedOut.add(secret)
}

/** Forgets the secrets of earlier test files, which later stores cannot contain. */
export function forgetSecrets(): void {
  handedOut.clear()
}

/** Everything that a dump of both stores would contain. @param without tables that are left out */
export async function dump(
  database: Database,
  redisUrl: string | undefined,
  without: readonly string[] = [],
): Promise<string> {
  const tables = await database.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'public' and tablename <> all($1)`,
    [without],
  )
  const each = tables.map(
    ({ name }) =>
      `select '${name}' as name, coalesce(json_agg(t), '[]')::text as rows from ${name} t`,
  )
  const found = await database.query<{ rows: string }>(`${each.join(' union all ')} order by name`)
  const parts = found.map(({ rows }) => rows)
  if (redisUrl) {
    const redis = new Redis(redisUrl)
    const keys = await redis.keys('*')
    const values = await Promise.all(keys.map((key) => redis.get(key)))
    parts.push(...keys, ...values.map((value) => value ?? ''))
    redis.disconnect()
  }
  return parts.join('\n')
}

/** Digits occur by chance in times and ids: they count only where they stand alone. */
const isIn = (text: string, secret: string) =>
  /^\d+$/.test(secret)
    ? new RegExp(`(?<![\\da-f-])${secret}(?![\\da-f-])`).test(text)
    : text.includes(secret)

/** The secrets of this run that a text contains. */
export function secretsIn(text: string): string[] {
  return [...handedOut].filter((secret) => isIn(text, secret))
}

/** How many secrets are looked for. */
export function secretsKnown(): number {
  return handedOut.size
}
