import { html } from '../../http/html.ts'
import { present } from '../../present.ts'
import { type PageContext, page } from './layout.ts'
import { alert, csrfField } from './parts.ts'

export type ForgotView = {
  action: string
  csrf: string
  /** What was typed before. */
  username?: string
  error?: 'missing' | 'too_many'
}

/** The form of a forgotten password; it asks for the identifier that signs in. */
export function forgotPage(context: PageContext, view: ForgotView): string {
  const { recovery, login } = context.messages
  const { error } = view
  return page(context, {
    title: recovery.title,
    fault: error !== undefined,
    body: html`<h1>${recovery.title}</h1>
<p>${recovery.lead}</p>
<form id="forgot-form" method="post" action="${view.action}">
${error && alert('forgot-error', recovery.errors[error])}
${csrfField(view.csrf)}
<div class="kt-field">
<label for="username">${login.username}</label>
<input id="username" name="username" type="text" value="${view.username}" autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false" inputmode="email"${error && html` aria-describedby="forgot-error"`}${error === 'missing' && html` aria-invalid="true"`} autofocus>
</div>
<button id="send-link" class="kt-button" type="submit">${recovery.submit}</button>
</form>`,
  })
}

/** A page with one message and a link. */
export function sayingPage(
  context: PageContext,
  view: { title: string; text: string; next: { href: string; label: string }; fault?: boolean },
): string {
  return page(context, {
    title: view.title,
    ...present({ fault: view.fault }),
    body: html`<h1>${view.title}</h1>
<p>${view.text}</p>
<p><a id="next" class="kt-button" href="${view.next.href}">${view.next.label}</a></p>`,
  })
}
