/** Shows only the length of a secret: truncated or double-encoded ones are a common fault. */
export function mask(secret: unknown): string {
  if (secret === undefined || secret === '') return 'nothing'
  return typeof secret === 'string' ? `[${secret.length} characters]` : `[${typeof secret}]`
}

/**
 * A URL with masked parameters, user and fragment, which may be secrets. The rest keeps its spelling, since URLs are
 * compared as text, and a trailing slash or upper case may be the fault. The same for a URL that cannot be parsed.
 */
export function maskAddress(address: unknown): string {
  if (typeof address !== 'string' || address === '') return 'nothing'
  const url = URL.parse(address)
  if (!url) {
    return address
      .replace(/([?#])(.*)$/s, (_rest, mark: string, rest: string) => mark + mask(rest))
      .replace(/^([^/]*\/\/|)[^/]*@/, '$1[user]@')
  }
  const query = [...url.searchParams]
    .map(([name, value]) => (value === '' ? mask(name) : `${name}=${mask(value)}`))
    .join('&')
  return `${spelled(address, url)}${query && `?${query}`}${url.hash && '#[fragment]'}`
}

/** Scheme, authority and path. With a user in the authority, in its canonical spelling. */
function spelled(address: string, { protocol, username, password, host, pathname }: URL): string {
  if (username || password) return `${protocol}//[user]@${host}${withoutHandles(pathname)}`
  const [, authority = '', path = ''] = /^([^:]*:(?:\/\/[^/?#]*)?)([^?#]*)/.exec(address) ?? []
  return authority + withoutHandles(path)
}

/** Masks our own handles in a path, such as that of a pushed request. */
function withoutHandles(path: string): string {
  return path.replaceAll(handles, mask)
}

const handles = /[\w-]{32,}/g
const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i
/** The form of a secret that we generated (handle.ts), not of one that a person chose. */
const ourSecret = /^[\w-]{43}$/
/** Least characters of a secret (client.ts). */
const shortestSecret = 16

/**
 * Masks the id of an unknown client, since the caller may have swapped id and secret. When a secret came along, the id
 * is shown only if it is too short to be a secret, or if the other value must be the secret.
 */
export function maskClientId(id: string, secret: unknown): string {
  const isPlain = uuid.test(id) || id.search(handles) < 0
  if (secret === undefined) return isPlain ? id : mask(id)
  const other = typeof secret === 'string' ? secret : ''
  const isInPlace = ourSecret.test(other) && isPlain
  // If id and secret were joined without encoding, the part before the colon may begin a secret.
  const isTooShort = id.length < shortestSecret && !other.includes(':')
  return isInPlace || isTooShort ? id : mask(id)
}

/** Characters that break lines, control terminals, change text direction, or are invalid. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/**
 * Makes a caller's text safe for an operator's terminal (C12) and for Postgres, which accepts neither U+0000 nor lone
 * surrogates: each unprintable character becomes an escape like `\u001b`.
 */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => {
    const code = character.codePointAt(0) as number
    return `\\u${code > 0xffff ? `{${code.toString(16)}}` : code.toString(16).padStart(4, '0')}`
  })
}
