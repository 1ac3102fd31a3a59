import { html } from '../../http/html.ts'
import { type PageContext, page } from './layout.ts'
import { alert, csrfField, hiddenFields, name } from './parts.ts'
import { type PasswordFault, passwordFault, passwordFields } from './password.ts'

export type SignUpView = {
  action: string
  csrf: string
  /** What was typed before. */
  email?: string
  signIn: { href: string }
  error?: 'missing' | 'invalid' | 'too_many'
}

/** The first page of a sign-up: only the e-mail address. The rest follows through the mailed link. */
export function signUpPage(context: PageContext, view: SignUpView): string {
  const { signUp: words } = context.messages
  const { error } = view
  return page(context, {
    title: words.title,
    fault: error !== undefined,
    body: html`<h1>${words.title}</h1>
<p>${words.lead}</p>
<form id="sign-up-form" method="post" action="${view.action}">
${error && alert('sign-up-error', words.errors[error])}
${csrfField(view.csrf)}
<div class="kt-field">
<label for="email">${words.email}</label>
<input id="email" name="email" type="text" value="${view.email}" inputmode="email" autocomplete="email" autocapitalize="none" autocorrect="off" spellcheck="false"${error && html` aria-describedby="sign-up-error"`}${error && error !== 'too_many' && html` aria-invalid="true"`} autofocus>
</div>
<button id="send-link" class="kt-button" type="submit">${words.submit}</button>
</form>
<p><a id="to-sign-in" class="kt-alone" href="${view.signIn.href}">${words.signIn}</a></p>`,
  })
}

export type FinishView = {
  action: string
  csrf: string
  /** The token of the link. */
  token: string
  email: string
  /** What was typed before, or the name in the invitation. */
  name?: string
  /** Least number of characters. */
  minLength: number
  error?: PasswordFault | 'name_invalid'
}

/** The second page, after the address is proven. The form has the address for password managers, too. */
export function finishPage(context: PageContext, view: FinishView): string {
  const { signUp, password } = context.messages
  const { finish: words } = signUp
  const { error } = view
  const ofName = error === 'name_invalid'
  const ofPassword = error === 'name_invalid' ? undefined : error
  return page(context, {
    title: words.title,
    fault: error !== undefined,
    script: ['show-password.js'],
    body: html`<h1>${words.title}</h1>
<p class="kt-lead">${name(view.email)}</p>
<p>${words.lead}</p>
<form id="finish-form" method="post" action="${view.action}">
${ofName && alert('name-error', words.nameInvalid)}
${ofPassword && alert('password-error', passwordFault(context, ofPassword, view.minLength))}
${csrfField(view.csrf)}
${hiddenFields([['token', view.token]])}<div class="kt-unseen">
<label for="username">${password.username}</label>
<input id="username" name="username" type="text" value="${view.email}" autocomplete="username" readonly tabindex="-1">
</div>
<div class="kt-field">
<label for="name">${words.name}</label>
<input id="name" name="name" type="text" value="${view.name}" autocomplete="name" aria-describedby="${ofName ? 'name-error name-hint' : 'name-hint'}"${ofName && html` aria-invalid="true"`}${!ofPassword && html` autofocus`}>
<p class="kt-hint" id="name-hint">${words.nameHint}</p>
</div>
${passwordFields(context, view.minLength, ofPassword, { autofocus: ofPassword !== undefined })}
<button id="create-account" class="kt-button" type="submit">${words.submit}</button>
</form>`,
  })
}
