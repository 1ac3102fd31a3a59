import type { Context } from 'koa'
import type { Csrf } from '../http/csrf.ts'
import type { BackchannelDecisions } from '../oidc/backchannel-decision.ts'
import type { BrowserSession } from '../oidc/browser-session.ts'
import type { IssuerContext } from '../oidc/capabilities.ts'
import type { DeviceVerification } from '../oidc/device-verification.ts'
import type { Interactions } from '../oidc/interactions.ts'
import type { PageContext } from './pages/layout.ts'

/** A cookie of a page; `path` is where browsers send it. */
export interface PageCookie {
  name: string
  path: string
  secure: boolean
}

/** What the pages of an issuer are made from; each takes what it needs. */
export interface PageParts extends IssuerContext {
  /** The path of the issuer: `/t/acme`, or empty. */
  basePath: string
  csrf: Csrf
  interactions: Interactions
  session: BrowserSession
  devices: DeviceVerification
  decisions: BackchannelDecisions
  /** Which accounts this browser is known to (known-browser.ts). */
  knownCookie: PageCookie
  /** What forms are bound to when nobody is signed in: sign-up, device, forgotten password. */
  signUpCookie: PageCookie
  deviceCookie: PageCookie
  recoveryCookie: PageCookie
  /** Identifies the client of an interaction, at its path alone. */
  clientCookie: Omit<PageCookie, 'path'>
  pageContext(ctx: Context): PageContext
  clientName(clientId: string): Promise<string | undefined>
  /** Answers with the image at an address. @throws DomainError `not_found` when it cannot be fetched */
  showLogo(ctx: Context, uri: string | undefined): Promise<void>
}
