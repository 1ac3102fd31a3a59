import { html } from '../../http/html.ts'
import { type PageContext, page } from './layout.ts'
import { alert, cancelForm, csrfField, name } from './parts.ts'

export type EmailCodeView = {
  action: string
  /** Where the form for another code posts to. */
  again: string
  csrf: string
  email: string
  error?: 'invalid' | 'missing'
  /** At a sign-in. */
  cancel?: { action: string }
  /** On the account pages. */
  back?: { href: string }
}

/** The page to enter a mailed code; the same whether one was mailed or not. */
export function emailCodePage(context: PageContext, view: EmailCodeView): string {
  const { emailCode: words, factors, login } = context.messages
  const { error } = view
  const described = error ? 'code-error otp-hint' : 'otp-hint'
  return page(context, {
    title: words.title,
    fault: error !== undefined,
    body: html`<h1>${words.title}</h1>
<p class="kt-lead">${name(view.email)}</p>
<p>${words.lead}</p>
<form id="email-code-form" method="post" action="${view.action}">
${error && alert('code-error', words.errors[error])}
${csrfField(view.csrf)}
<div class="kt-field">
<label for="otp">${words.code}</label>
<input id="otp" name="otp" type="text" autocomplete="one-time-code" inputmode="numeric" autocapitalize="none" autocorrect="off" spellcheck="false" aria-describedby="${described}"${error && html` aria-invalid="true"`} autofocus>
<p class="kt-hint" id="otp-hint">${words.codeHint}</p>
</div>
<button id="confirm-code" class="kt-button" type="submit">${words.submit}</button>
</form>
<form id="again-form" class="kt-part" method="post" action="${view.again}">
${csrfField(view.csrf)}
<p class="kt-small">${words.againHint}</p>
<button id="send-again" class="kt-button kt-quiet" type="submit">${words.again}</button>
</form>
${view.back && html`<p class="kt-second"><a id="back" class="kt-alone" href="${view.back.href}">${factors.title}</a></p>`}
${view.cancel && cancelForm(view.cancel.action, view.csrf, login.cancel)}`,
  })
}

export type EmailCodesView = {
  csrf: string
  /** Where the form to turn them on or off posts to. */
  action: string
  /** Since when they are on, in words. */
  since?: string
}

/** Codes by e-mail among the second factors of an account. */
export function emailCodesSection({ messages }: PageContext, view: EmailCodesView) {
  const { emailCode: words } = messages
  const isOn = view.since !== undefined
  return html`<form id="email-codes-form" class="kt-part" method="post" action="${view.action}">
${csrfField(view.csrf)}
<h2>${words.heading}</h2>
<p id="email-codes-state">${view.since === undefined ? words.isOff : words.isOn(view.since)}</p>
<p class="kt-small">${words.hint}</p>
<button id="email-codes" class="kt-button kt-quiet" type="submit">${isOn ? words.turnOff : words.turnOn}</button>
</form>`
}
