import { type Html, html } from '../../http/html.ts'
import { ownAddress, type PageContent, type PageContext, page } from './layout.ts'
import { csrfField } from './parts.ts'

/** The sections of the account pages, in navigation order. A new one needs a line here and a name in `sections`. */
export const addresses = {
  overview: '/account',
  profile: '/account/profile',
  password: '/account/password',
  factors: '/account/factors',
  sessions: '/account/sessions',
  applications: '/account/applications',
  history: '/account/history',
  data: '/account/data',
} as const
export type AccountSection = keyof typeof addresses

/** Confirmations that a page can show. Identified in the URL by key, so that nobody can inject text. */
export const accountDone = [
  'ended',
  'others-ended',
  'taken-back',
  'password-changed',
  'profile-changed',
] as const
export type AccountDone = (typeof accountDone)[number]

/** What every account page needs. */
export interface AccountFrame {
  signOut: { action: string; csrf: string }
  done?: AccountDone
}

/** A page of a signed-in person, with navigation and sign-out (ASVS 7.4.4). */
export function accountSection(
  context: PageContext,
  section: AccountSection,
  { signOut, done }: AccountFrame,
  content: Omit<PageContent, 'width' | 'navigation'> & { afterSignOut?: Html },
): string {
  const { account: words } = context.messages
  return page(context, {
    ...content,
    width: 'wide',
    navigation: navigation(context, section),
    body: html`<h1>${content.title}</h1>
${done && html`<div class="kt-done" id="done" role="status"><p>${words.done[done]}</p></div>`}
${content.body}
<form id="sign-out-form" method="post" action="${signOut.action}">
${csrfField(signOut.csrf)}
<button id="sign-out" class="kt-button kt-quiet" type="submit">${words.signOut}</button>
</form>
${content.afterSignOut}`,
  })
}

function navigation(context: PageContext, current: AccountSection): Html {
  const { account: words } = context.messages
  const sections = Object.keys(addresses) as AccountSection[]
  return html`<nav class="kt-sections" aria-label="${words.title}"><ul>${sections.map(
    (section) =>
      html`<li><a href="${ownAddress(context, addresses[section])}"${
        section === current && html` aria-current="page"`
      }>${words.sections[section]}</a></li>`,
  )}</ul></nav>`
}
