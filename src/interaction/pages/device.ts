import { html } from '../../http/html.ts'
import { type PageContext, page } from './layout.ts'
import { alert, csrfField, name } from './parts.ts'

export type EnterCodeView = {
  action: string
  csrf: string
  /** From `verification_uri_complete`; not shown again after a refusal. */
  userCode?: string
  error?: 'invalid' | 'missing' | 'too_many'
  signIn: { href: string }
}

export type ConfirmDeviceView = {
  action: string
  csrf: string
  clientName: string
  /** As the device shows it. */
  userCode: string
}

export type DeviceResultView = {
  outcome: 'allowed' | 'denied' | 'over'
  again: { href: string }
}

/** The page to enter the code of a device (RFC 8628 §3.3). */
export function enterCodePage(context: PageContext, view: EnterCodeView): string {
  const { device } = context.messages
  const { error } = view
  return page(context, {
    title: device.title,
    fault: error !== undefined,
    body: html`<h1>${device.title}</h1>
<p class="kt-lead">${device.lead}</p>
<form id="device-form" method="post" action="${view.action}">
${error && alert('device-error', device.errors[error])}
${csrfField(view.csrf)}
<div class="kt-field">
<label for="user_code">${device.code}</label>
<input id="user_code" class="kt-code" name="user_code" type="text" value="${view.userCode}" autocomplete="off" autocapitalize="characters" autocorrect="off" spellcheck="false" aria-describedby="${error && 'device-error '}device-hint"${error && error !== 'too_many' && html` aria-invalid="true"`} autofocus>
<p class="kt-hint" id="device-hint">${device.hint}</p>
</div>
<button id="check-code" class="kt-button" type="submit">${device.submit}</button>
</form>
${error === 'too_many' && html`<p class="kt-links"><a id="sign-in-first" href="${view.signIn.href}">${device.signInFirst}</a></p>`}`,
  })
}

/**
 * Always shown, however the code was entered, since a link with a code may come from an attacker (RFC 8628 §5.4,
 * P-034): who requests access, the code to compare, and a warning.
 */
export function confirmDevicePage(context: PageContext, view: ConfirmDeviceView): string {
  const { device } = context.messages
  return page(context, {
    title: device.confirmTitle,
    body: html`<h1>${device.confirmHeading(name(view.clientName))}</h1>
<form id="confirm-form" method="post" action="${view.action}">
${csrfField(view.csrf)}
<div class="kt-field">
<label for="user_code">${device.compare}</label>
<input id="user_code" class="kt-code" name="user_code" type="text" value="${view.userCode}" autocomplete="off" aria-describedby="device-warning" readonly>
</div>
<div class="kt-notice" id="device-warning" role="note"><p>${device.warning}</p></div>
<div class="kt-choice">
<button id="continue" class="kt-button" type="submit" name="decision" value="continue">${device.proceed}</button>
<button id="deny" class="kt-button kt-quiet" type="submit" name="decision" value="deny">${device.deny}</button>
</div>
</form>`,
  })
}

/** The last page for the person; the device learns the result by polling. */
export function deviceResultPage(context: PageContext, view: DeviceResultView): string {
  const { device } = context.messages
  const { title, text } = device.outcomes[view.outcome]
  return page(context, {
    title,
    body: html`<h1>${title}</h1>
<p id="device-outcome" data-outcome="${view.outcome}">${text}</p>
${view.outcome === 'over' && html`<p><a id="enter-again" class="kt-button kt-quiet" href="${view.again.href}">${device.again}</a></p>`}`,
  })
}
