import { createHash } from 'node:crypto'
import { addresses } from '../interaction/pages/account-layout.ts'
import { accountClient } from '../oidc/account-client.ts'
import { routes } from '../oidc/routes.ts'
import { present } from '../present.ts'
import { newHandle } from '../secrets/handle.ts'
import { requestIdPattern } from './requests.routes.ts'

/** The pages that a sign-in may return to, by their names in `state`; no other value is followed. */
const pages = { ...addresses, email: '/account/email' } as const
export type AccountPage = keyof typeof pages

/** Where to go after the sign-in: a page, or a backchannel request to answer. */
export type Destination = { page: AccountPage } | { request: string }

export interface SignIn {
  uiLocales?: string | undefined
  destination?: Destination | undefined
  /** Even if a user is signed in. */
  onceMore?: boolean
  /** Most seconds since an earlier sign-in (OpenID Connect Core §3.1.2.1). */
  maxAge?: number
}

export const pathOf = (destination: Destination | undefined): string => {
  if (destination === undefined) return '/account'
  if ('request' in destination) return `/account/requests/${destination.request}`
  return pages[destination.page]
}

/** An authorization request of our own pages, with a PKCE challenge that need not be answered. */
export function signInPath(issuer: string, wanted: SignIn): string {
  const { uiLocales, destination, onceMore = false, maxAge } = wanted
  const { client_id, redirect_uris } = accountClient(issuer)
  const state = [uiLocales ?? '', ...Object.values(destination ?? {})].join('~')
  const query = new URLSearchParams({
    client_id,
    redirect_uri: redirect_uris[0] as string,
    response_type: 'code',
    scope: 'openid',
    code_challenge: createHash('sha256').update(newHandle()).digest('base64url'),
    code_challenge_method: 'S256',
    ...present({ ui_locales: uiLocales }),
    ...(state === '' ? {} : { state }),
    ...(onceMore ? { prompt: 'login' } : {}),
    ...(maxAge === undefined ? {} : { max_age: String(maxAge) }),
  })
  return `${routes.authorization}?${query.toString()}`
}

/** Reads `state`; any unknown value leads to the account page. */
export function readState(state: unknown): Pick<SignIn, 'uiLocales' | 'destination'> {
  const [uiLocales, name] = typeof state === 'string' ? state.split('~') : []
  const destination = name === undefined ? undefined : destinationOf(name)
  return { ...(uiLocales ? { uiLocales } : {}), ...(destination ? { destination } : {}) }
}

function destinationOf(name: string): Destination | undefined {
  if (requestIdPattern.test(name)) return { request: name }
  return Object.hasOwn(pages, name) ? { page: name as AccountPage } : undefined
}
