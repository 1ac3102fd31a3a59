import { type Cookie, CookieJar } from 'tough-cookie'
import { type FormInput, fillForm } from './html-form.ts'
import { exchange, type Page } from './http-exchange.ts'

/** Request headers on top of a browser's own; `null` leaves one of those out. */
export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string | null>>
  /** The page that the navigation starts from; without it, as if the address were typed. */
  readonly from?: Page
}

/** Who signs in. */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/** A browser without script: it keeps cookies, navigates and submits forms. */
export interface UserAgent {
  readonly jar: CookieJar
  /** Relative addresses are resolved against `origin`. Redirects are not followed. */
  get(url: string | URL, options?: RequestOptions): Promise<Page>
  /** Posts a form; without `from`, as if from a page of the same origin. */
  post(
    url: string | URL,
    form: Readonly<Record<string, string>> | URLSearchParams,
    options?: RequestOptions,
  ): Promise<Page>
  /** Fills and submits a form of a page; throws when the page has no such form, field or button. */
  submit(page: Page, input?: FormInput, options?: Omit<RequestOptions, 'from'>): Promise<Page>
  /** Follows redirects with GET until the target leaves the page's origin or satisfies `until`. */
  follow(page: Page, until?: (target: URL) => boolean): Promise<Page>
  /**
   * Goes where an authorization request leads: signs in, allows every consent, and returns the
   * redirect to the client, which is not requested. Throws with the page that is in the way.
   */
  walk(start: string | URL, credentials: Credentials): Promise<URL>
  /** The cookies that would be sent to an address. */
  cookies(url?: string | URL): Promise<Cookie[]>
}

/** A page of another site, for navigations that come from there. */
export const elsewhere = {
  url: new URL('https://elsewhere.example/'),
  headers: new Headers(),
} as Page

const MOST_STEPS = 20

/**
 * The `Origin` of a form post. A page whose policy is `no-referrer` sends `null`, even to itself
 * (Fetch, "append a request Origin header"), so a server must not rely on it alone.
 */
function originOf(from: Page | undefined, url: URL): string {
  if (from === undefined) return url.origin
  return from.headers.get('referrer-policy') === 'no-referrer' ? 'null' : from.url.origin
}

function siteOf(
  from: Page | undefined,
  url: URL,
): 'none' | 'same-origin' | 'same-site' | 'cross-site' {
  if (from === undefined) return 'none'
  if (from.url.origin === url.origin) return 'same-origin'
  const sameSite = from.url.hostname === url.hostname && from.url.protocol === url.protocol
  return sameSite ? 'same-site' : 'cross-site'
}

/**
 * A user agent with an empty cookie jar. `origin` is the base of relative addresses; `called` is what it says of
 * itself, and `through` what a proxy on its way adds.
 */
export function createUserAgent({
  origin,
  called = 'Mozilla/5.0 (browser without script)',
  through = () => ({}),
}: {
  readonly origin?: string | URL
  readonly called?: string
  readonly through?: () => Record<string, string>
} = {}): UserAgent {
  const jar = new CookieJar()
  const resolve = (url: string | URL): URL => new URL(url, origin)

  async function navigate(
    method: 'GET' | 'POST',
    url: URL,
    { headers = {}, from }: RequestOptions,
    form?: URLSearchParams,
  ): Promise<Page> {
    const site = method === 'POST' && from === undefined ? 'same-origin' : siteOf(from, url)
    const crossing = method === 'GET' ? 'lax' : 'none'
    const sameSiteContext = site === 'cross-site' ? crossing : 'strict'
    const cookie = await jar.getCookieString(url.href, { sameSiteContext })
    const sent: Record<string, string | null> = {
      accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
      'accept-language': 'en',
      'user-agent': called,
      'upgrade-insecure-requests': '1',
      'sec-fetch-dest': 'document',
      'sec-fetch-mode': 'navigate',
      'sec-fetch-site': site,
      'sec-fetch-user': '?1',
      cookie: cookie === '' ? null : cookie,
      origin: form === undefined ? null : originOf(from, url),
      'content-type': form === undefined ? null : 'application/x-www-form-urlencoded',
      ...through(),
      ...headers,
    }
    const kept = Object.entries(sent).filter(
      (entry): entry is [string, string] => entry[1] !== null,
    )
    const body = form === undefined ? {} : { body: form.toString() }
    const page = await exchange({ method, url, headers: Object.fromEntries(kept), ...body })
    for (const line of page.headers.getSetCookie()) {
      await jar.setCookie(line, url.href, { sameSiteContext, ignoreError: true })
    }
    return page
  }

  const agent: UserAgent = {
    jar,
    get: (url, options = {}) => navigate('GET', resolve(url), options),
    post: (url, form, options = {}) =>
      navigate('POST', resolve(url), options, new URLSearchParams(form)),
    submit(page, input = {}, options = {}) {
      const { method, url, fields } = fillForm(page, input)
      const body = method === 'POST' ? fields : undefined
      return navigate(method, url, { ...options, from: page }, body)
    },
    async follow(page, until = (target) => target.origin !== page.url.origin) {
      let current = page
      for (let step = 0; step < MOST_STEPS; step += 1) {
        if (current.location === undefined || until(current.location)) return current
        current = await agent.get(current.location, { from: current })
      }
      throw new Error(`more than ${MOST_STEPS} redirects, the last to ${current.location?.href}`)
    },
    async walk(start, { username, password }) {
      const stuck = (page: Page): Error =>
        new Error(`stuck at ${page.url.href} (${page.status}):\n${page.root.structuredText}`)
      let signedIn = false
      let page = await agent.follow(await agent.get(start))
      for (let step = 0; step < MOST_STEPS; step += 1) {
        if (page.location !== undefined) return page.location
        const asksPassword = page.root.querySelector('form input[name=password]') !== null
        if (page.status !== 200 || (asksPassword && signedIn)) throw stuck(page)
        signedIn ||= asksPassword
        const fields = asksPassword ? { username, password } : {}
        page = await agent.follow(await agent.submit(page, { fields }))
      }
      throw stuck(page)
    },
    cookies: (url = '/') => jar.getCookies(resolve(url).href),
  }
  return agent
}
