import { type Html, type HtmlValue, html } from '../../http/html.ts'
import { asLine } from '../../line.ts'

/** A name somebody else chose, set apart so that its writing direction cannot rearrange our sentence, nor itself. */
export function name(text: string): Html {
  return html`<bdi class="kt-name">${asLine(text)}</bdi>`
}

/** The token every form carries against cross-site requests. */
export function csrfField(token: string): Html {
  return html`<input type="hidden" name="csrf" value="${token}">`
}

/** What a form hands over without anybody having to see it. */
export function hiddenFields(
  fields: ReadonlyArray<readonly [name: string, value: string]>,
): Html[] {
  return fields.map(
    ([field, value]) => html`<input type="hidden" name="${field}" value="${value}">\n`,
  )
}

/**
 * What went wrong, above a form.
 * @param id what the fields' `aria-describedby` points at
 */
export function alert(id: string, text: HtmlValue): Html {
  return html`<div class="kt-alert" id="${id}" role="alert"><p>${text}</p></div>`
}

/** The button of a password field that shows what is typed (NIST SP 800-63B-4 §3.1.1.2); `show-password.js` brings it out. */
export function showPassword(field: string, label: string): Html {
  return html`<button type="button" class="kt-show" data-shows="${field}" aria-controls="${field}" aria-pressed="false" hidden>${label}</button>`
}

/** The way back to the application without doing what the page asks for. */
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
 * A client's own URL if it is safe to link to: https without credentials, in whatever case its scheme is
 * written (a client can lie in them, OIDC Registration §9.1).
 */
export function safeUrl(url: string | undefined): URL | undefined {
  const parsed = url === undefined ? null : URL.parse(url)
  if (parsed?.protocol !== 'https:' || parsed.username || parsed.password) return undefined
  return parsed
}

/** A link out of our pages: to a new tab, so that the form behind it is not lost, and telling it nothing of us. */
export function linkOut(url: URL, text: HtmlValue, hint: string): Html {
  return html`<a href="${url.href}" target="_blank" rel="noopener noreferrer">${text}<span class="kt-unseen"> ${hint}</span></a>`
}
