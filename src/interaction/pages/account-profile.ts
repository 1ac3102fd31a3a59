import { html } from '../../http/html.ts'
import { type AccountFrame, accountSection } from './account-layout.ts'
import type { PageContext } from './layout.ts'
import type { Messages } from './messages.ts'
import { alert, csrfField } from './parts.ts'

export type ProfileFault = keyof Messages['account']['profile']['errors']

export type ProfileView = AccountFrame & {
  action: string
  csrf: string
  name: string
  username: string
  error?: ProfileFault
}

/** Name and user name. */
export function profilePage(context: PageContext, view: ProfileView): string {
  const { account } = context.messages
  const { profile: words } = account
  const { error } = view
  const ofName = error === 'name_invalid'
  const wrong = html` aria-invalid="true" autofocus`
  return accountSection(context, 'profile', view, {
    title: account.sections.profile,
    fault: error !== undefined,
    body: html`<p>${words.lead}</p>
<form id="profile-form" method="post" action="${view.action}">
${error && alert('profile-error', words.errors[error])}
${csrfField(view.csrf)}
<div class="kt-field">
<label for="name">${account.name}</label>
<input id="name" name="name" type="text" value="${view.name}" autocomplete="name"${ofName && html`${wrong} aria-describedby="profile-error"`}>
</div>
<div class="kt-field">
<label for="username">${account.username}</label>
<input id="username" name="username" type="text" value="${view.username}" autocomplete="username" autocapitalize="none" spellcheck="false" aria-describedby="${error && !ofName ? 'profile-error username-hint' : 'username-hint'}"${error && !ofName && wrong}>
<p class="kt-hint" id="username-hint">${words.usernameHint}</p>
</div>
<button id="save-profile" class="kt-button" type="submit">${words.submit}</button>
</form>`,
  })
}
