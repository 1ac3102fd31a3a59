import { parse } from 'node:querystring'

export type Parameters = Readonly<Record<string, string>>

/** The secret of a client, and how it was sent. */
export interface Credentials {
  method: 'client_secret_basic' | 'client_secret_post'
  clientId: string
  secret: string
}

/** RFC 6749 Appendix A: no valid parameter has other characters. */
const visible = /^[\x20-\x7E]+$/
const ascii = /^[\x21-\x7E]+$/

/**
 * The parameters of a form, parsed as by the engine. Undefined unless each came once, with a value, in plain ASCII.
 * Empty pairs are not plain, as `limitParameters` counts them.
 */
export function parametersIn(body: Buffer): Parameters | undefined {
  const text = body.toString('latin1')
  if (!ascii.test(text) || text.includes('&&')) return undefined
  const parsed = parse(text)
  for (const name in parsed) {
    const value = parsed[name]
    if (typeof value !== 'string' || !visible.test(value)) return undefined
  }
  return parsed as Parameters
}

const basic = /^Basic ([A-Za-z\d+/]+={0,2})$/i

/**
 * The credentials of a client, if it uses a secret and nothing else (RFC 6749 §2.3.1).
 * @param authorization the header
 */
export function credentialsIn(
  { client_id: named, client_secret: secret }: Parameters,
  authorization: string | undefined,
): Credentials | undefined {
  if (authorization === undefined) {
    if (named === undefined || secret === undefined) return undefined
    return { method: 'client_secret_post', clientId: named, secret }
  }
  const [, pair = ''] = basic.exec(authorization) ?? []
  if (secret !== undefined || pair === '' || pair.length % 4 !== 0) return undefined
  const decoded = Buffer.from(pair, 'base64').toString('latin1')
  const colon = decoded.indexOf(':')
  const clientId = formDecoded(decoded.slice(0, Math.max(colon, 0)))
  const shown = formDecoded(decoded.slice(colon + 1))
  if (clientId === undefined || shown === undefined) return undefined
  if (named !== undefined && named !== clientId) return undefined
  return { method: 'client_secret_basic', clientId, secret: shown }
}

/** Decodes by RFC 6749 Appendix B; undefined if empty, malformed, or not visible ASCII before or after. */
function formDecoded(text: string): string | undefined {
  if (!visible.test(text)) return undefined
  if (!/[%+]/.test(text)) return text
  try {
    const decoded = decodeURIComponent(text.replaceAll('+', '%20'))
    return visible.test(decoded) ? decoded : undefined
  } catch {
    return undefined
  }
}
