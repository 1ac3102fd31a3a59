const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]'])
const longest = 2048
/** RFC 3986 §2. Without characters that parsers drop (tab, line feed) or rewrite (backslash, other scripts). */
const uriCharacters = /^[\w\-.~:/?#[\]@!$&'()*+,;=%]+$/
const userInformation = /^[^/?#]*\/\/[^/?#]*@/

/** Whether a host name is this machine itself (RFC 8252 §7.3). */
export function isLoopbackHost(hostname: string): boolean {
  return loopbackHosts.has(hostname)
}

/**
 * What is wrong with a redirect URI that a client wants to register, or undefined.
 *
 * | scheme  | web client                       | native client (RFC 8252 §7)      |
 * |---------|----------------------------------|----------------------------------|
 * | https   | any host                         | any host                         |
 * | http    | loopback alone, for development  | loopback alone                   |
 * | private | refused                          | with a dot, as in com.example.app |
 *
 * Wildcards, fragments (RFC 6749 §3.1.2) and user information are refused for all (security class C1).
 */
export function redirectUriFault(uri: string, type: 'web' | 'native'): string | undefined {
  const parsed = URL.parse(uri)
  if (!parsed || !uriCharacters.test(uri) || uri.length > longest) {
    return `must be an absolute URI of at most ${longest} characters, it is ${JSON.stringify(uri)}`
  }
  if (uri.includes('#')) return `must not have a fragment, it is ${JSON.stringify(uri)}`
  if (uri.includes('*')) return `must not have a wildcard, it is ${JSON.stringify(uri)}`
  if (userInformation.test(uri)) return userInformationFault(uri)
  // Browsers read "https:host" and "https:///host" as "https://host"; nothing else does.
  if (isWeb(parsed) && !/^https?:\/\/[^/]/.test(uri)) {
    return `must be written as https://host/path, it is ${JSON.stringify(uri)}`
  }
  switch (parsed.protocol) {
    case 'https:':
      return undefined
    case 'http:':
      return isLoopbackHost(parsed.hostname)
        ? undefined
        : `must be https unless its host is loopback, it is ${JSON.stringify(uri)}`
    default:
      if (type === 'native' && parsed.protocol.includes('.')) return undefined
      return type === 'native'
        ? `a private-use scheme must be a reversed domain name (RFC 8252 §7.1), it is ${JSON.stringify(uri)}`
        : `must be https (a private-use scheme needs application_type native), it is ${JSON.stringify(uri)}`
  }
}

/**
 * Whether an answer may go to an address: it must equal a registered one, character by character. A native client may
 * use any port on loopback, as RFC 8252 §7.3 and OAuth 2.1 §2.3.1 demand; there `http://127.0.0.1` and
 * `http://127.0.0.1/` are equal (RFC 3986 §6.2.3, K-03).
 */
export function redirectUriAllowed(
  uri: string,
  registered: readonly string[],
  type: 'web' | 'native',
): boolean {
  if (registered.includes(uri)) return true
  const portless = type === 'native' ? withoutLoopbackPort(uri) : undefined
  return portless !== undefined && registered.some((each) => withoutLoopbackPort(each) === portless)
}

const loopbackUri = /^(http:\/\/(?:localhost|127\.0\.0\.1|\[::1\]))(?::(\d{1,5}))?(\/[^#]*)?$/

function withoutLoopbackPort(uri: string): string | undefined {
  const [, host, port = '80', path = '/'] = loopbackUri.exec(uri) ?? []
  const isPort = Number(port) >= 1 && Number(port) <= 65_535
  return host !== undefined && isPort ? host + path : undefined
}

/**
 * The receiver of what goes to an address: its host. For a private-use scheme it is the scheme with its colon: the app
 * of that scheme gets it, whatever host follows (RFC 8252 §7.1). `bank.example:` is not the host of that name.
 */
export function receiverOf(uri: string): string {
  const parsed = URL.parse(uri)
  if (!parsed) return uri
  return isWeb(parsed) ? parsed.host : parsed.protocol
}

/** The host name of an http(s) address; undefined for other schemes. */
export function hostnameOf(uri: string): string | undefined {
  const parsed = URL.parse(uri)
  return parsed && isWeb(parsed) ? parsed.hostname : undefined
}

const isWeb = ({ protocol }: URL) => protocol === 'https:' || protocol === 'http:'

/**
 * What is wrong with an address that people are shown, or that is fetched, or undefined. User information in it makes
 * one host look like another, or is a password that everybody sees (RFC 9110 §4.2.4).
 */
export function webUriFault(uri: string): string | undefined {
  const parsed = URL.parse(uri)
  if (parsed && hasUserInformation(parsed, uri)) return userInformationFault(uri)
  const sound =
    parsed &&
    uri.length <= longest &&
    (parsed.protocol === 'https:' ||
      (parsed.protocol === 'http:' && isLoopbackHost(parsed.hostname)))
  return sound ? undefined : `must be an https URL, it is ${JSON.stringify(uri.slice(0, 100))}`
}

/** An address without user information, which no request sends; unchanged if it has none. */
export function withoutUserInformation(uri: string): string {
  const parsed = URL.parse(uri)
  if (!parsed || !hasUserInformation(parsed, uri)) return uri
  return Object.assign(parsed, { username: '', password: '' }).href
}

const hasUserInformation = ({ username, password }: URL, uri: string): boolean =>
  username !== '' || password !== '' || userInformation.test(uri)

/** Leaves the user information out: it may be a password, and the message is logged. */
const userInformationFault = (uri: string): string => {
  const rest = withoutUserInformation(uri).slice(0, 100)
  return `must not have user information (user:password@) before the host of ${JSON.stringify(rest)}`
}
