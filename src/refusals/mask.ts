/** What a secret is shown as: how long it was, since a cut or doubly encoded one is a common fault. */
export function mask(secret: unknown): string {
  if (secret === undefined || secret === '') return 'nothing'
  return typeof secret === 'string' ? `[${secret.length} characters]` : `[${typeof secret}]`
}

/**
 * An address whose parameters, user and fragment are masked: they may be secrets. The rest is as it was spelled, since
 * addresses are compared as text: a slash at the end or another case is what is wrong. So it is with one that cannot be
 * read.
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

/** Scheme, authority and path. Who wrote a user into the authority in whatever way sees them in their one spelling. */
function spelled(address: string, { protocol, username, password, host, pathname }: URL): string {
  if (username || password) return `${protocol}//[user]@${host}${withoutHandles(pathname)}`
  const [, authority = '', path = ''] = /^([^:]*:(?:\/\/[^/?#]*)?)([^?#]*)/.exec(address) ?? []
  return authority + withoutHandles(path)
}

/** A path may carry one of ours, such as that of a pushed request. */
function withoutHandles(path: string): string {
  return path.replaceAll(handles, mask)
}

const handles = /[\w-]{32,}/g
const uuid = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i
/** What a secret of our making looks like (handle.ts), and none that a person chose. */
const ourSecret = /^[\w-]{43}$/
/** Characters: no secret is shorter (client.ts). */
const shortestSecret = 16

/**
 * Masks the id of a client that does not exist, since the caller may have swapped id and secret. When a secret came with
 * it, the id is shown only if it is too short to be one, or if the other value can only be the secret.
 */
export function maskClientId(id: string, secret: unknown): string {
  const isPlain = uuid.test(id) || id.search(handles) < 0
  if (secret === undefined) return isPlain ? id : mask(id)
  const other = typeof secret === 'string' ? secret : ''
  const isInPlace = ourSecret.test(other) && isPlain
  // Joined without being encoded, what stands before the colon may be the beginning of a secret.
  const isTooShort = id.length < shortestSecret && !other.includes(':')
  return isInPlace || isTooShort ? id : mask(id)
}

/** What breaks a line, steers a terminal, turns text round, or is no character at all. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/**
 * What strangers sent, for the terminal of an operator (C12) and for Postgres, which takes neither U+0000 nor half a
 * character: `\u001b` in place of each that is not to be printed.
 */
export function printable(text: string): string {
  return text.replace(unprintable, (character) => {
    const code = character.codePointAt(0) as number
    return `\\u${code > 0xffff ? `{${code.toString(16)}}` : code.toString(16).padStart(4, '0')}`
  })
}
