import { type Html, type HtmlValue, html } from '../../http/html.ts'
import { asLine } from '../../line.ts'

/** A name chosen by others, isolated so that its writing direction cannot rearrange our sentence. */
export function name(text: string): Html {
  return html`<bdi class="kt-name">${asLine(text)}</bdi>`
}

/** The CSRF token of a form. */
export function csrfField(token: string): Html {
  return html`<input type="hidden" name="csrf" value="${token}">`
}

/** Hidden fields of a form. */
export function hiddenFields(
  fields: ReadonlyArray<readonly [name: string, value: string]>,
): Html[] {
  return fields.map(
    ([field, value]) => html`<input type="hidden" name="${field}" value="${value}">\n`,
  )
}

/**
 * An error above a form.
 * @param id referenced by the fields' `aria-describedby`
 */
export function alert(id: string, text: HtmlValue): Html {
  return html`<div class="kt-alert" id="${id}" role="alert"><p>${text}</p></div>`
}

/** The button that shows a typed password (NIST SP 800-63B-4 §3.1.1.2); `show-password.js` makes it visible. */
export function showPassword(field: string, label: string): Html {
  return html`<button type="button" class="kt-show" data-shows="${field}" aria-controls="${field}" aria-pressed="false" hidden>${label}</button>`
}

/** The form that cancels and returns to the application. */
export function cancelForm(action: string, csrf: string, label: string): Html {
  return html`<form id="cancel-form" class="kt-second" method="post" action="${action}">
${csrfField(csrf)}
<button id="cancel" class="kt-button kt-plain" type="submit">${label}</button>
</form>`
}

/** Terms and their values, one row each; rows without a value are left out. */
export function facts(rows: ReadonlyArray<readonly [term: string, value: HtmlValue]>): Html {
  const present = rows.filter(([, value]) => value !== undefined && value !== false)
  return html`<dl class="kt-facts">${present.map(
    ([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`,
  )}</dl>`
}

/**
 * A client's URL if it is safe to link to: https (in any case) without credentials (a client can lie in them, OIDC
 * Registration §9.1).
 */
export function safeUrl(url: string | undefined): URL | undefined {
  const parsed = url === undefined ? null : URL.parse(url)
  if (parsed?.protocol !== 'https:' || parsed.username || parsed.password) return undefined
  return parsed
}

/** A link to another site: in a new tab, so that the form is not lost, without referrer. */
export function linkOut(url: URL, text: HtmlValue, hint: string): Html {
  return html`<a href="${url.href}" target="_blank" rel="noopener noreferrer">${text}<span class="kt-unseen"> ${hint}</span></a>`
}
