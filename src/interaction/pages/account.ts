import { html } from '../../http/html.ts'
import { type AccountFrame, accountSection } from './account-layout.ts'
import type { PageContext } from './layout.ts'
import { csrfField, facts, name } from './parts.ts'
import { type RequestLine, requestList } from './request.ts'

export type AccountView = AccountFrame & {
  account: { name?: string; email: string; username?: string; emailVerified: boolean; id: string }
  /** The URL that ends all sessions and all access, on every device. */
  everywhere: string
  /** The URL to change the e-mail address; only with mail. */
  changeEmail?: string
  /** Pending requests. */
  requests: readonly RequestLine[]
}

/** The account overview. */
export function accountPage(context: PageContext, view: AccountView): string {
  const { account: words } = context.messages
  const { account, signOut } = view
  const verified = account.emailVerified
    ? html`<span class="kt-badge kt-good">${words.verified}</span>`
    : html`<span class="kt-badge">${words.unverified}</span>`
  return accountSection(context, 'overview', view, {
    title: words.title,
    body: html`${requestList(context, view.requests)}
${facts([
  [words.name, account.name !== undefined && name(account.name)],
  [
    words.email,
    html`<bdi id="account-email">${account.email}</bdi> ${verified}${view.changeEmail && html` <a id="email-link" href="${view.changeEmail}">${context.messages.email.title}</a>`}`,
  ],
  [words.username, account.username !== undefined && html`<bdi>${account.username}</bdi>`],
  [words.id, html`<code id="account-id">${account.id}</code>`],
])}`,
    afterSignOut: html`<form id="sign-out-everywhere-form" class="kt-second" method="post" action="${view.everywhere}">
${csrfField(signOut.csrf)}
<p>${words.everywhereHint}</p>
<button id="sign-out-everywhere" class="kt-button kt-quiet" type="submit">${words.signOutEverywhere}</button>
</form>`,
  })
}
