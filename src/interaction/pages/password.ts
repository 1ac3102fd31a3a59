import { type Html, html } from '../../http/html.ts'
import { type PageContext, page } from './layout.ts'
import type { Messages } from './messages.ts'
import { alert, cancelForm, csrfField, hiddenFields, name, showPassword } from './parts.ts'

export type PasswordFault = keyof Messages['password']['errors']

export type PasswordView = {
  action: string
  csrf: string
  email: string
  /** Least number of characters. */
  minLength: number
  error?: PasswordFault
  cancel?: { action: string }
  /** Why a new password is required, unless it replaces a one-time password. */
  lead?: string
  /** The token of a mailed link. */
  token?: string
}

/**
 * Choosing a password after a one-time password. The form has the account's name as a hidden field, so that password
 * managers save the new password to the right entry (ASVS 6.2.7).
 */
export function passwordPage(context: PageContext, view: PasswordView): string {
  const { password } = context.messages
  const { error } = view
  return page(context, {
    title: password.title,
    fault: error !== undefined,
    script: ['show-password.js'],
    body: html`<h1>${password.title}</h1>
<p class="kt-lead">${name(view.email)}</p>
<p>${view.lead ?? password.lead}</p>
<form id="password-form" method="post" action="${view.action}">
${error && alert('password-error', passwordFault(context, error, view.minLength))}
${csrfField(view.csrf)}
${view.token !== undefined && hiddenFields([['token', view.token]])}<div class="kt-unseen">
<label for="username">${password.username}</label>
<input id="username" name="username" type="text" value="${view.email}" autocomplete="username" readonly tabindex="-1">
</div>
${passwordFields(context, view.minLength, error)}
<button id="save-password" class="kt-button" type="submit">${password.submit}</button>
</form>
${view.cancel && cancelForm(view.cancel.action, view.csrf, context.messages.login.cancel)}`,
  })
}

/** The two fields of a new password. */
export function passwordFields(
  { messages: { password, login } }: PageContext,
  minLength: number,
  error?: PasswordFault,
  { autofocus = true } = {},
): Html {
  const both = error === 'mismatch' || error === 'missing'
  const described = error ? 'password-error password-hint' : 'password-hint'
  return html`<div class="kt-field">
<label for="new_password">${password.newPassword}</label>
<input id="new_password" name="new_password" type="password" autocomplete="new-password" aria-describedby="${described}"${error && error !== 'busy' && html` aria-invalid="true"`}${autofocus && html` autofocus`}>
${showPassword('new_password', login.show)}
<p class="kt-hint" id="password-hint">${password.hint(minLength)}</p>
</div>
<div class="kt-field">
<label for="confirm_password">${password.confirm}</label>
<input id="confirm_password" name="confirm_password" type="password" autocomplete="new-password"${both && html` aria-invalid="true" aria-describedby="password-error"`}>
${showPassword('confirm_password', login.show)}
</div>`
}

/** The fault of a chosen password, in words. */
export function passwordFault(
  { messages }: PageContext,
  error: PasswordFault,
  minLength: number,
): string {
  const { errors } = messages.password
  return error === 'too_short' ? errors.too_short(minLength) : errors[error]
}
