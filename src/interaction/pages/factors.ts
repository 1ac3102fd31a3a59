import type { SecondFactor } from '../../factors/second-factor.ts'
import { type Html, html } from '../../http/html.ts'
import { type AccountFrame, accountSection } from './account-layout.ts'
import { type EmailCodesView, emailCodesSection } from './email-code.ts'
import { momentText } from './format.ts'
import { type PageContext, page } from './layout.ts'
import type { Messages } from './messages.ts'
import { alert, cancelForm, csrfField, facts, name } from './parts.ts'
import { type PasskeyView, passkeyForm } from './passkey.ts'

export type FactorsView = AccountFrame & {
  csrf: string
  factors: ReadonlyArray<SecondFactor & { rename: string; remove: string }>
  codesLeft: number
  /** Each is undefined at the maximum number. */
  add?: { action: string }
  addPasskey?: { href: string }
  full?: boolean
  makeCodes: { action: string }
  /** Why the last one was not removed. */
  kept?: keyof Messages['factors']['kept']
  changePassword: { href: string }
  /** Undefined when they are not offered. */
  emailCodes?: EmailCodesView
}

/** The second factors of an account, and their management. */
export function factorsPage(context: PageContext, view: FactorsView): string {
  const { factors: words } = context.messages
  const { csrf, add, addPasskey, makeCodes } = view
  return accountSection(context, 'factors', view, {
    title: words.title,
    fault: view.kept !== undefined,
    body: html`<p class="kt-lead">${words.lead}</p>
${view.kept && alert('factor-error', words.kept[view.kept])}
${view.kept === 'short_password' && html`<p><a id="change-password" class="kt-alone" href="${view.changePassword.href}">${context.messages.account.password.submit}</a></p>`}
${view.factors.length === 0 && html`<p>${words.none}</p>`}
${view.factors.map((factor) => factorSection(context, factor, csrf))}
${addPasskey && html`<p class="kt-part"><a id="add-passkey" class="kt-button" href="${addPasskey.href}">${words.addPasskey}</a></p>`}
${
  add &&
  html`<form id="add-factor-form" method="post" action="${add.action}">
${csrfField(csrf)}
<button id="add-factor" class="kt-button${addPasskey && html` kt-quiet`}" type="submit">${words.add}</button>
</form>`
}
${view.full && html`<p>${words.full}</p>`}
${
  view.factors.length > 0 &&
  html`<form id="codes-form" class="kt-part" method="post" action="${makeCodes.action}">
${csrfField(csrf)}
<h2>${words.codesHeading}</h2>
<p id="codes-left">${words.codesLeft(view.codesLeft)}</p>
<p class="kt-small">${words.makeCodesHint}</p>
<button id="make-codes" class="kt-button kt-quiet" type="submit">${words.makeCodes}</button>
</form>`
}
${view.emailCodes && emailCodesSection(context, view.emailCodes)}`,
  })
}

function factorSection(
  { messages }: PageContext,
  factor: FactorsView['factors'][number],
  csrf: string,
): Html {
  const { factors: words, locale } = messages
  const { id, lastUsedAt } = factor
  return html`<section class="kt-part">
<h2 id="factor-${id}">${name(factor.name)}</h2>
${facts([
  [words.kind, factor.backedUp ? words.kinds.backedUp : words.kinds[factor.kind]],
  [words.added, momentText(locale, factor.createdAt)],
  [words.lastUsed, lastUsedAt === undefined ? words.never : momentText(locale, lastUsedAt)],
])}
<form id="rename-${id}" method="post" action="${factor.rename}">
${csrfField(csrf)}
<div class="kt-field">
<label for="name-${id}">${words.name}</label>
<input id="name-${id}" name="name" type="text" value="${factor.name}" maxlength="60" autocomplete="off">
</div>
<button class="kt-button kt-quiet" type="submit" aria-describedby="factor-${id}">${words.rename}</button>
</form>
<form id="remove-${id}" class="kt-second" method="post" action="${factor.remove}">
${csrfField(csrf)}
<p class="kt-small">${words.removeHint}</p>
${endOthers(`others-${id}`, words.endOthers)}
<button class="kt-button kt-quiet" type="submit" aria-describedby="factor-${id}">${words.remove}</button>
</form>
</section>`
}

/** The checkbox that also ends other sessions (ASVS 7.4.3). */
export function endOthers(id: string, label: string): Html {
  return html`<p class="kt-check"><input id="${id}" name="end_others" type="checkbox" value="yes"> <label for="${id}">${label}</label></p>`
}

export type NewFactorView = {
  action: string
  csrf: string
  /** The URL of the QR code. */
  qrUrl: string
  /** The key in base32. */
  secret: string
  name?: string
  error?: 'wrong' | 'passkey'
  /** When a passkey can be added instead. */
  passkey?: PasskeyView
  /** On the account page: the way back, and the offer to end other sessions. */
  back?: { href: string }
  /** On the way to a client. */
  cancel?: { action: string }
}

/** Setting up an authenticator app; it is added after its first right code. */
export function newFactorPage(context: PageContext, view: NewFactorView): string {
  const { factors: words, passkeys } = context.messages
  const wrong = view.error === 'wrong'
  const described = wrong ? 'factor-error otp-hint' : 'otp-hint'
  return page(context, {
    title: words.newTitle,
    fault: view.error !== undefined,
    ...(view.passkey ? { script: ['passkey.js'] } : {}),
    body: html`<h1>${words.newTitle}</h1>
${view.error === 'passkey' && alert('factor-error', passkeys.failed.make)}
<p>${words.newLead}</p>
<p><img id="qr-code" class="kt-qr" src="${view.qrUrl}" alt="${words.qrCode}" width="240" height="240"></p>
<p>${words.secret}: <code id="secret" class="kt-name">${view.secret.replace(/.{4}(?!$)/g, '$& ')}</code></p>
<form id="factor-form" method="post" action="${view.action}">
${wrong && alert('factor-error', words.wrong)}
${csrfField(view.csrf)}
<div class="kt-field">
<label for="name">${words.name}</label>
<input id="name" name="name" type="text" value="${view.name}" maxlength="60" autocomplete="off">
</div>
<div class="kt-field">
<label for="otp">${words.code}</label>
<input id="otp" name="otp" type="text" autocomplete="one-time-code" inputmode="numeric" autocapitalize="none" autocorrect="off" spellcheck="false" aria-describedby="${described}"${wrong && html` aria-invalid="true"`} autofocus>
<p class="kt-hint" id="otp-hint">${words.codeHint}</p>
</div>
${view.back && endOthers('end_others', words.endOthers)}
<button id="confirm-factor" class="kt-button" type="submit">${words.confirm}</button>
</form>
${view.passkey && passkeyForm(context, view.passkey, { kind: 'make', label: words.passkeyInstead, quiet: true })}
${view.back && html`<p class="kt-second"><a id="back" class="kt-alone" href="${view.back.href}">${words.title}</a></p>`}
${view.cancel && cancelForm(view.cancel.action, view.csrf, context.messages.login.cancel)}`,
  })
}

export type RecoveryCodesView = {
  codes: readonly string[]
  /** The target of a link, or of a form when there is a token. */
  done: { href: string; csrf?: string }
}

/** The only page that shows recovery codes. */
export function recoveryCodesPage(
  context: PageContext,
  { codes, done }: RecoveryCodesView,
): string {
  const { factors: words } = context.messages
  return page(context, {
    title: words.codesTitle,
    body: html`<h1>${words.codesTitle}</h1>
<p>${words.codesLead}</p>
<ol id="recovery-codes" class="kt-codes">
${codes.map((code) => html`<li><code>${code}</code></li>\n`)}</ol>
${
  done.csrf === undefined
    ? html`<p><a id="codes-kept" class="kt-button" href="${done.href}">${words.done}</a></p>`
    : html`<form id="codes-form" method="post" action="${done.href}">
${csrfField(done.csrf)}
<button id="codes-kept" class="kt-button" type="submit">${words.done}</button>
</form>`
}`,
  })
}
