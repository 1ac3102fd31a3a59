import { html } from '../../http/html.ts'
import { type PageContext, page } from './layout.ts'
import type { Messages } from './messages.ts'
import { alert, cancelForm, csrfField, name, showPassword } from './parts.ts'
import { type PasskeyView, passkeyForm } from './passkey.ts'

export type LoginView = {
  action: string
  csrf: string
  clientName?: string
  /** Whether the sign-in is to our own account pages. */
  ours?: true
  /** What was typed before, or the request's `login_hint`. */
  username?: string
  error?: keyof Messages['login']['errors']
  cancel?: { action: string }
  /** Only when password resets can be mailed. */
  forgot?: { href: string }
  /** Only where people may sign up. */
  signUp?: { href: string }
  /** Only where passkeys are possible; the same whether or not anybody has one (ASVS 6.3.8). */
  passkey?: PasskeyView
}

/**
 * Sign in with a password or a passkey. Paste and password managers work (ASVS 6.2.7). No field is `required` in the
 * markup, since the server's error for an empty form is in the person's language (K-10).
 */
export function loginPage(context: PageContext, view: LoginView): string {
  const { login, signUp } = context.messages
  const { error, username } = view
  const faults = faultyFields(error, username)
  const described = error && html` aria-describedby="login-error"`
  return page(context, {
    title: login.title,
    fault: error !== undefined,
    script: ['show-password.js', ...(view.passkey ? (['passkey.js'] as const) : [])],
    body: html`<h1>${login.title}</h1>
${view.clientName && html`<p class="kt-lead">${login.lead(name(view.clientName))}</p>`}
${view.ours && html`<p class="kt-lead">${login.leadAccount}</p>`}
<form id="login-form" method="post" action="${view.action}">
${error && alert('login-error', login.errors[error])}
${csrfField(view.csrf)}
<div class="kt-field">
<label for="username">${login.username}</label>
<input id="username" name="username" type="text" value="${username}" autocomplete="username" autocapitalize="none" autocorrect="off" spellcheck="false" inputmode="email"${described}${faults.username && html` aria-invalid="true"`}${!username && html` autofocus`}>
</div>
<div class="kt-field">
<label for="password">${login.password}</label>
<input id="password" name="password" type="password" autocomplete="current-password"${described}${faults.password && html` aria-invalid="true"`}${username && html` autofocus`}>
${showPassword('password', login.show)}
</div>
<button id="sign-in" class="kt-button" type="submit">${login.submit}</button>
</form>
${view.forgot && html`<p><a id="forgot" class="kt-alone" href="${view.forgot.href}">${login.forgot}</a></p>\n`}${view.passkey && passkeyForm(context, view.passkey, { kind: 'ask', label: context.messages.passkeys.signIn, quiet: true })}
${view.signUp && html`<p><a id="sign-up" class="kt-alone" href="${view.signUp.href}">${signUp.link}</a></p>\n`}${view.cancel && cancelForm(view.cancel.action, view.csrf, login.cancel)}`,
  })
}

function faultyFields(error: LoginView['error'], username: string | undefined) {
  return {
    // Strangers must not learn which of the two was wrong (ASVS 6.3.8), so `invalid` marks both.
    username: error === 'invalid' || (error === 'missing' && !username),
    password: error === 'invalid' || error === 'missing' || error === 'one_time_expired',
  }
}
