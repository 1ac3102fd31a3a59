import { type Html, html } from '../../http/html.ts'
import { type PageContext, page } from './layout.ts'
import { cancelForm, csrfField } from './parts.ts'

/** A passkey request: its options and the target of its answer. */
export type PasskeyView = {
  action: string
  csrf: string
  /** The argument of `navigator.credentials`, bytes as base64url. */
  options: object
}

/**
 * The form that `passkey.js` makes visible and submits. Without it the page shows what to do instead, or nothing where
 * there is another way.
 */
export function passkeyForm(
  { messages }: PageContext,
  { action, csrf, options }: PasskeyView,
  look: {
    kind: 'make' | 'ask'
    label: string
    /** What to do in a browser without passkeys. */
    missing?: string
    autofocus?: true
    quiet?: true
    fields?: Html
  },
): Html {
  const { passkeys: words } = messages
  const { kind, missing } = look
  const said = (name: string, text: string) =>
    html`<div class="kt-alert" id="passkey-${name}" data-passkey-${name} role="alert" hidden><p>${text}</p></div>\n`
  return html`<form id="passkey-form" class="kt-part" method="post" action="${action}" data-passkey="${kind}" data-options="${JSON.stringify(options)}"${missing === undefined && html` hidden`}>
${csrfField(csrf)}
<input type="hidden" name="credential" value="">
${said('failed', words.failed[kind])}${kind === 'make' && said('known', words.known)}${look.fields}${missing !== undefined && html`<p data-passkey-missing>${missing}</p>\n`}<button id="use-passkey" class="kt-button${look.quiet && html` kt-quiet`}" type="submit"${look.autofocus && html` autofocus`} hidden>${look.label}</button>
</form>`
}

export type NewPasskeyView = PasskeyView & {
  name?: string
  error?: 'wrong' | 'known'
  /** On the account page: the way back, and the offer to end other sessions. */
  back?: { href: string }
  /** On the way to a client. */
  cancel?: { action: string }
  /** Shown between them: the checkbox to end other sessions. */
  others?: Html
}

/** Creating a passkey: the browser asks to unlock the device. */
export function newPasskeyPage(context: PageContext, view: NewPasskeyView): string {
  const { passkeys: words, factors, login } = context.messages
  const { error } = view
  return page(context, {
    title: words.newTitle,
    fault: error !== undefined,
    script: ['passkey.js'],
    body: html`<h1>${words.newTitle}</h1>
<p>${words.newLead}</p>
${error && html`<div class="kt-alert" id="factor-error" role="alert"><p>${error === 'known' ? words.known : words.failed.make}</p></div>`}
${passkeyForm(context, view, {
  kind: 'make',
  label: words.make,
  missing: words.missingMake,
  fields: html`<div class="kt-field">
<label for="name">${factors.name}</label>
<input id="name" name="name" type="text" value="${view.name}" maxlength="60" autocomplete="off" autofocus>
</div>
${view.others}`,
})}
${view.back && html`<p class="kt-second"><a id="back" class="kt-alone" href="${view.back.href}">${factors.title}</a></p>`}
${view.cancel && cancelForm(view.cancel.action, view.csrf, login.cancel)}`,
  })
}
