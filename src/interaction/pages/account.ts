import { html } from '../../http/html.ts'
import { ownAddress, type PageContext, page } from './layout.ts'
import { csrfField, facts, name } from './parts.ts'
import { type RequestLine, requestList } from './request.ts'

export type AccountView = {
  account: { name?: string; email: string; username?: string; emailVerified: boolean; id: string }
  /** `everywhere` is the address that ends all sessions and all access, on every device. */
  signOut: { action: string; everywhere: string; csrf: string }
  /** What waits for an answer. */
  requests: readonly RequestLine[]
}

/** Who is signed in, and the way out (ASVS 7.4.4). */
export function accountPage(context: PageContext, view: AccountView): string {
  const { account: words } = context.messages
  const { account, signOut } = view
  const verified = account.emailVerified
    ? html`<span class="kt-badge kt-good">${words.verified}</span>`
    : html`<span class="kt-badge">${words.unverified}</span>`
  return page(context, {
    title: words.title,
    width: 'wide',
    body: html`<h1>${words.title}</h1>
${requestList(context, view.requests)}
${facts([
  [words.name, account.name !== undefined && name(account.name)],
  [words.email, html`<bdi id="account-email">${account.email}</bdi> ${verified}`],
  [words.username, account.username !== undefined && html`<bdi>${account.username}</bdi>`],
  [words.id, html`<code id="account-id">${account.id}</code>`],
])}
<p><a id="factors" href="${ownAddress(context, '/account/factors')}">${words.factors}</a></p>
<form id="sign-out-form" method="post" action="${signOut.action}">
${csrfField(signOut.csrf)}
<button id="sign-out" class="kt-button kt-quiet" type="submit">${words.signOut}</button>
</form>
<form id="sign-out-everywhere-form" class="kt-second" method="post" action="${signOut.everywhere}">
${csrfField(signOut.csrf)}
<p>${words.everywhereHint}</p>
<button id="sign-out-everywhere" class="kt-button kt-plain" type="submit">${words.signOutEverywhere}</button>
</form>`,
  })
}
