import { type Html, html } from '../../http/html.ts'
import { momentText } from './format.ts'
import type { PageContext } from './layout.ts'
import { csrfField } from './parts.ts'

/** Parts that several account pages have. */

/** When and from where something was done; milliseconds since the epoch. */
export type Seen = { at: number; ip?: string }

/** A time and an IP address. */
export function seenText({ messages }: PageContext, { at, ip }: Seen): Html {
  const time = html`<time datetime="${new Date(at).toISOString()}">${momentText(messages.locale, at)}</time>`
  return ip === undefined ? time : messages.account.from(time, html`<code>${ip}</code>`)
}

/** A form with one button. Its visible label is short; screen readers get the whole sentence. */
export function endForm(action: string, csrf: string, short: string, whole: Html): Html {
  return html`<form method="post" action="${action}">
${csrfField(csrf)}
<button class="kt-button kt-quiet kt-small-button" type="submit"><span aria-hidden="true">${short}</span><span class="kt-unseen">${whole}</span></button>
</form>`
}
