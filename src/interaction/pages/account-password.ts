import { html } from '../../http/html.ts'
import { type AccountFrame, accountSection } from './account-layout.ts'
import type { PageContext } from './layout.ts'
import type { Messages } from './messages.ts'
import { alert, csrfField, showPassword } from './parts.ts'
import type { PasswordView } from './password.ts'

export type OwnPasswordFault =
  | NonNullable<PasswordView['error']>
  | keyof Messages['account']['password']['errors']

export type OwnPasswordView = AccountFrame & {
  action: string
  csrf: string
  email: string
  /** Least number of characters. */
  minLength: number
  /** The same without a second factor, if that is more. */
  alone?: number
  /** Whether all other sessions are to end. */
  others: boolean
  error?: OwnPasswordFault
}

/** Changing the password (ASVS 6.2.2, 6.2.3, 7.4.3); the form names the account for password managers (ASVS 6.2.7). */
export function ownPasswordPage(context: PageContext, view: OwnPasswordView): string {
  const { account, password, login } = context.messages
  const words = account.password
  const { error } = view
  const isCurrent = error === 'wrong_current' || error === 'missing'
  const isNew = error !== undefined && !['wrong_current', 'busy', 'too_many'].includes(error)
  const hint = isNew ? 'password-error password-hint' : 'password-hint'
  const invalid = html` aria-invalid="true" aria-describedby="password-error"`
  return accountSection(context, 'password', view, {
    title: account.sections.password,
    fault: error !== undefined,
    script: ['show-password.js'],
    body: html`<p>${words.lead}</p>
<form id="password-form" method="post" action="${view.action}">
${error && alert('password-error', faultText(context.messages, error, view.minLength))}
${csrfField(view.csrf)}
<div class="kt-unseen">
<label for="username">${password.username}</label>
<input id="username" name="username" type="text" value="${view.email}" autocomplete="username" readonly tabindex="-1">
</div>
<div class="kt-field">
<label for="current_password">${words.current}</label>
<input id="current_password" name="current_password" type="password" autocomplete="current-password"${isCurrent && html`${invalid} autofocus`}>
${showPassword('current_password', login.show)}
</div>
<div class="kt-field">
<label for="new_password">${password.newPassword}</label>
<input id="new_password" name="new_password" type="password" autocomplete="new-password" aria-describedby="${hint}"${isNew && html` aria-invalid="true"`}${isNew && !isCurrent && html` autofocus`}>
${showPassword('new_password', login.show)}
<p class="kt-hint" id="password-hint">${password.hint(view.minLength)}${view.alone !== undefined && html` ${words.alone(view.alone)}`}</p>
</div>
<div class="kt-field">
<label for="confirm_password">${password.confirm}</label>
<input id="confirm_password" name="confirm_password" type="password" autocomplete="new-password"${(error === 'mismatch' || error === 'missing') && invalid}>
${showPassword('confirm_password', login.show)}
</div>
<div class="kt-check">
<input id="others" name="others" type="checkbox" value="end"${view.others && html` checked`}>
<label for="others">${words.others}</label>
</div>
<button id="change-password" class="kt-button" type="submit">${words.submit}</button>
</form>`,
  })
}

function faultText({ account, password }: Messages, error: OwnPasswordFault, minLength: number) {
  const { errors } = account.password
  if (error in errors) return errors[error as keyof typeof errors]
  if (error === 'too_short') return password.errors.too_short(minLength)
  return password.errors[error as Exclude<NonNullable<PasswordView['error']>, 'too_short'>]
}
