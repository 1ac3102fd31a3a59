import { type Answer, fieldsOf } from './connection.ts'
import {
  type Ask,
  authorizationUrl,
  codeIn,
  type Ending,
  Fault,
  form,
  get,
  postTo,
  withCookies,
} from './messages.ts'
import type { Plan } from './plan.ts'

const attribute = (tag: string, name: string) =>
  new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1]?.replaceAll('&amp;', '&')

/** The first form with a password field: its action and prefilled fields. */
function loginForm({ status, body }: Answer): { action: string; fields: Record<string, string> } {
  const forms = [...body.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/g)]
  const [, tag, content] = forms.find(([all]) => /type="password"/.test(all)) ?? []
  if (tag === undefined || content === undefined)
    throw new Fault(`${status} without a sign-in form`)
  const fields: Record<string, string> = {}
  for (const [input] of content.matchAll(/<input\b[^>]*type="hidden"[^>]*>/g)) {
    fields[attribute(input, 'name') ?? ''] = attribute(input, 'value') ?? ''
  }
  return { action: attribute(tag, 'action') ?? '', fields }
}

/**
 * A user in a browser without cookies comes from a client, signs in with a password and returns with a code.
 * @param person `{ "username", "password" }` as JSON; they must have consented before
 */
export async function logIn(ask: Ask, plan: Plan, person: string): Promise<Ending> {
  const { username, password } = JSON.parse(person) as Record<string, string>
  let url = authorizationUrl(plan)
  let cookie = ''
  const browse = async (make: (headers: Record<string, string>) => string) => {
    const answer = await ask(make(cookie === '' ? {} : { Cookie: cookie }))
    cookie = withCookies(cookie, answer)
    return answer
  }
  /** Follows redirects to the first page, or to the client's redirect URI. */
  const settle = async (first: Answer) => {
    let answer = first
    for (let hops = 0; hops < 8; hops++) {
      const [location] = fieldsOf(answer, 'location')
      if (location === undefined) return answer
      url = new URL(location, url).href
      if (url.startsWith(plan.client.redirect_uri ?? '-')) return answer
      answer = await browse((headers) => get(url, headers))
    }
    throw new Fault('too many redirects')
  }

  const page = await settle(await browse((headers) => get(url, headers)))
  const { action, fields } = loginForm(page)
  url = new URL(action, url).href
  const { origin } = new URL(url)
  const body = form({ ...fields, username: username ?? '', password: password ?? '' })
  const answer = await browse((headers) => postTo(url, { ...headers, Origin: origin })(body))
  return { next: person, yielded: codeIn(await settle(answer)) }
}
