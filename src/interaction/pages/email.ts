import { html } from '../../http/html.ts'
import { type AccountFrame, accountSection } from './account-layout.ts'
import { type PageContext, page } from './layout.ts'
import { alert, csrfField, hiddenFields, name } from './parts.ts'

export type EmailView = AccountFrame & {
  csrf: string
  email: string
  verified: boolean
  /** Where the forms post to. */
  change: string
  verify: string
  error?: 'invalid' | 'too_many'
  /** What was typed before, to be shown again. */
  newEmail?: string
  /** Which mail was sent. */
  sent?: 'verification' | 'change'
}

/** The e-mail address of an account: its verification, and its change. */
export function emailPage(context: PageContext, view: EmailView): string {
  const { email: words } = context.messages
  const { error, sent } = view
  return accountSection(context, 'overview', view, {
    title: words.title,
    fault: error !== undefined,
    body: html`<p class="kt-lead">${name(view.email)}</p>
${sent && html`<div class="kt-done" id="sent" role="status"><p>${words.sent[sent]}</p></div>`}
${
  !view.verified &&
  html`<form id="verify-form" method="post" action="${view.verify}">
${csrfField(view.csrf)}
<p>${words.unverified}</p>
<button id="verify" class="kt-button kt-quiet" type="submit">${words.verify}</button>
</form>`
}
<form id="email-form" method="post" action="${view.change}">
${error && alert('email-error', words.errors[error])}
${csrfField(view.csrf)}
<div class="kt-field">
<label for="new_email">${words.newEmail}</label>
<input id="new_email" name="new_email" type="text" value="${view.newEmail}" inputmode="email" autocomplete="email" autocapitalize="none" autocorrect="off" spellcheck="false" aria-describedby="email-hint${error && ' email-error'}"${error === 'invalid' && html` aria-invalid="true" autofocus`}>
<p class="kt-hint" id="email-hint">${words.hint}</p>
</div>
<button id="change-email" class="kt-button" type="submit">${words.change}</button>
</form>`,
  })
}

/** The page behind a link in a mail: one button. Mail scanners open links but press no buttons. */
export function confirmEmailPage(
  context: PageContext,
  view: {
    action: string
    csrf: string
    token: string
    title: string
    email: string
    label: string
  },
): string {
  return page(context, {
    title: view.title,
    body: html`<h1>${view.title}</h1>
<p class="kt-lead">${name(view.email)}</p>
<form id="confirm-form" method="post" action="${view.action}">
${csrfField(view.csrf)}
${hiddenFields([['token', view.token]])}<button id="confirm" class="kt-button" type="submit">${view.label}</button>
</form>`,
  })
}
