import { html } from '../../http/html.ts'
import { type PageContext, page } from './layout.ts'
import { alert, cancelForm, csrfField, name } from './parts.ts'

export type SecondFactorView = {
  action: string
  csrf: string
  email: string
  error?: 'invalid' | 'missing'
  cancel?: { action: string }
}

/** The code of an authenticator app, or a recovery code in its place; it works without script. */
export function secondFactorPage(context: PageContext, view: SecondFactorView): string {
  const { secondFactor: words, login } = context.messages
  const { error } = view
  const described = error ? 'factor-error otp-hint' : 'otp-hint'
  return page(context, {
    title: words.title,
    fault: error !== undefined,
    body: html`<h1>${words.title}</h1>
<p class="kt-lead">${name(view.email)}</p>
<p>${words.lead}</p>
<form id="factor-form" method="post" action="${view.action}">
${error && alert('factor-error', words.errors[error])}
${csrfField(view.csrf)}
<div class="kt-field">
<label for="otp">${words.code}</label>
<input id="otp" name="otp" type="text" autocomplete="one-time-code" inputmode="numeric" autocapitalize="none" autocorrect="off" spellcheck="false" aria-describedby="${described}"${error && html` aria-invalid="true"`} autofocus>
<p class="kt-hint" id="otp-hint">${words.codeHint}</p>
</div>
<button id="confirm-factor" class="kt-button" type="submit">${words.submit}</button>
</form>
<form id="recovery-form" class="kt-part" method="post" action="${view.action}">
${csrfField(view.csrf)}
<h2>${words.lostHeading}</h2>
<div class="kt-field">
<label for="recovery_code">${words.recovery}</label>
<input id="recovery_code" name="recovery_code" type="text" autocomplete="off" autocapitalize="none" autocorrect="off" spellcheck="false">
</div>
<button id="use-recovery-code" class="kt-button kt-quiet" type="submit">${words.recoverySubmit}</button>
</form>
${view.cancel && cancelForm(view.cancel.action, view.csrf, login.cancel)}`,
  })
}
