import { html } from '../../http/html.ts'
import { type PageContext, page } from './layout.ts'
import { alert, cancelForm, csrfField, name } from './parts.ts'

export type EmailCodeView = {
  action: string
  /** Where another one is asked for. */
  again: string
  csrf: string
  email: string
  error?: 'invalid' | 'missing'
  /** At a sign-in. */
  cancel?: { action: string }
  /** On the account pages. */
  back?: { href: string }
}

/** A code that was mailed, or was not: the page does not say which. */
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
  /** Where they are turned on, or off. */
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
