import { html } from '../../http/html.ts'
import { type PageContext, page } from './layout.ts'
import { name } from './parts.ts'

export type LogoutView = {
  action: string
  /** The engine's own CSRF token and its field name. */
  csrfField: { name: string; value: string }
  email?: string
  /** The client that requested the sign-out. */
  clientName?: string
}

export type SignedOutView = { clientName?: string; signIn: { href: string } }

/** Asks for confirmation, since any site can link here (ASVS 10.6.2; RP-Initiated Logout §2). */
export function logoutPage(context: PageContext, view: LogoutView): string {
  const { logout } = context.messages
  const token = html`<input type="hidden" name="${view.csrfField.name}" value="${view.csrfField.value}">`
  return page(context, {
    title: logout.title,
    body: html`<h1>${logout.title}</h1>
${view.clientName && html`<p>${logout.askedBy(name(view.clientName))}</p>`}
${view.email && html`<p>${logout.signedInAs(name(view.email))}</p>`}
<p>${logout.effect}</p>
<form id="logout-form" method="post" action="${view.action}">
${token}
<button id="sign-out" class="kt-button" type="submit" name="logout" value="yes">${logout.submit}</button>
</form>
<form id="stay-form" class="kt-second" method="post" action="${view.action}">
${token}
<button id="stay" class="kt-button kt-plain" type="submit">${logout.stay}</button>
</form>`,
  })
}

/** Shown after a sign-out without a redirect. */
export function signedOutPage(context: PageContext, view: SignedOutView): string {
  const { logout } = context.messages
  return page(context, {
    title: logout.doneTitle,
    body: html`<h1>${logout.doneTitle}</h1>
<p>${logout.done}</p>
${view.clientName && html`<p>${logout.returnTo(name(view.clientName))}</p>`}
<p><a id="sign-in-again" class="kt-button kt-quiet" href="${view.signIn.href}">${logout.again}</a></p>`,
  })
}
