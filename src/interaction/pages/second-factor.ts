import { html } from '../../http/html.ts'
import { type PageContext, page } from './layout.ts'
import { alert, cancelForm, csrfField, name } from './parts.ts'
import { passkeyForm } from './passkey.ts'

export type SecondFactorView = {
  action: string
  csrf: string
  email: string
  /** Whether the account has an app. */
  app: boolean
  /** The passkey request; only when the account has a passkey. */
  passkey?: object
  error?: 'invalid' | 'recovery' | 'missing' | 'passkey'
  cancel?: { action: string }
}

/**
 * A passkey, the code of an authenticator app, or a recovery code instead: whichever the account has. Codes work
 * without scripts.
 */
export function secondFactorPage(context: PageContext, view: SecondFactorView): string {
  const { secondFactor: words, login } = context.messages
  const { error, app, passkey } = view
  const wrongCode = error === 'invalid' || error === 'missing'
  const wrongRecovery = error === 'recovery'
  const described = wrongCode ? 'factor-error otp-hint' : 'otp-hint'
  return page(context, {
    title: words.title,
    fault: error !== undefined,
    ...(passkey ? { script: ['passkey.js'] } : {}),
    body: html`<h1>${words.title}</h1>
<p class="kt-lead">${name(view.email)}</p>
<p>${passkey ? words.leadPasskey : words.lead}</p>
${error && alert('factor-error', words.errors[error])}
${
  passkey &&
  passkeyForm(
    context,
    { action: view.action, csrf: view.csrf, options: passkey },
    {
      kind: 'ask',
      label: words.usePasskey,
      missing: words.missingPasskey,
      ...(wrongCode || wrongRecovery ? {} : { autofocus: true }),
    },
  )
}
${
  app &&
  html`<form id="factor-form" method="post" action="${view.action}"${passkey && html` class="kt-part"`}>
${csrfField(view.csrf)}
${passkey && html`<h2>${words.codeHeading}</h2>\n`}<div class="kt-field">
<label for="otp">${words.code}</label>
<input id="otp" name="otp" type="text" autocomplete="one-time-code" inputmode="numeric" autocapitalize="none" autocorrect="off" spellcheck="false" aria-describedby="${described}"${wrongCode && html` aria-invalid="true"`}${(wrongCode || !(passkey || wrongRecovery)) && html` autofocus`}>
<p class="kt-hint" id="otp-hint">${words.codeHint}</p>
</div>
<button id="confirm-factor" class="kt-button${passkey && html` kt-quiet`}" type="submit">${words.submit}</button>
</form>`
}
<form id="recovery-form" class="kt-part" method="post" action="${view.action}">
${csrfField(view.csrf)}
<h2>${passkey ? words.lostPasskeyHeading : words.lostHeading}</h2>
<div class="kt-field">
<label for="recovery_code">${words.recovery}</label>
<input id="recovery_code" name="recovery_code" type="text" autocomplete="off" autocapitalize="none" autocorrect="off" spellcheck="false"${wrongRecovery && html` aria-invalid="true" aria-describedby="factor-error" autofocus`}>
</div>
<button id="use-recovery-code" class="kt-button kt-quiet" type="submit">${words.recoverySubmit}</button>
</form>
${view.cancel && cancelForm(view.cancel.action, view.csrf, login.cancel)}`,
  })
}
