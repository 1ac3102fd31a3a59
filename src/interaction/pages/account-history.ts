import { deviceLabel } from '../../families/device.ts'
import { findings } from '../../families/unusual.ts'
import { html } from '../../http/html.ts'
import { countryName } from '../../places/country-name.ts'
import { type AccountFrame, accountSection } from './account-layout.ts'
import { type Seen, seenText } from './account-parts.ts'
import type { PageContext } from './layout.ts'
import { name } from './parts.ts'

/** The security events of their account that people see. */
export const historyEvents = [
  'account.signed_in',
  'account.sign_in_failed',
  'account.signed_out_everywhere',
  'account.others_signed_out',
  'account.password_changed',
  'account.profile_changed',
  'account.factor_added',
  'account.factor_removed',
  'account.passkey_refused',
  'account.recovery_codes_made',
  'account.recovery_code_used',
  'account.reset_requested',
  'account.email_verified',
  'account.email_change_requested',
  'account.email_changed',
  'account.email_objected',
  'account.signed_up',
  'account.sign_up_requested',
  'account.data_downloaded',
  'account.disabled',
  'account.enabled',
  'account.locked',
  'account.unlocked',
  'session.ended',
  'grant.revoked',
  ...findings,
] as const
export type HistoryEvent = (typeof historyEvents)[number]

/** Marks of a sign-in. */
export const historyMarks = ['new_device', 'new_network', 'new_country'] as const
export type HistoryMark = (typeof historyMarks)[number]

export type HistoryLine = {
  type: HistoryEvent
  seen: Seen
  userAgent?: string
  application?: string
  /** The number, for counted events. */
  count?: number
  /** The country of its IP address (ISO 3166-1). */
  country?: string
  /** What was unusual about it. */
  marks: readonly HistoryMark[]
}

export type HistoryView = AccountFrame & {
  events: readonly HistoryLine[]
  /** The URL of the next page. */
  older?: string
  /** The URL of the first page; undefined on it. */
  newest?: string
}

/** The events of an account, newest first (ASVS 6.3.5). */
export function historyPage(context: PageContext, view: HistoryView): string {
  const { sections, history: words, device } = context.messages.account
  return accountSection(context, 'history', view, {
    title: sections.history,
    body: html`<p>${view.events.length === 0 ? words.none : words.lead}</p>
${
  view.events.length > 0 &&
  html`<ul class="kt-items kt-dense" id="history">${view.events.map(
    (line) => html`<li data-event="${line.type}">
<h2>${words.events[line.type]}${line.count !== undefined && line.count > 1 && ` · ${words.times(line.count)}`}${
      line.application !== undefined && html` · ${name(line.application)}`
    }</h2>
${line.marks.length > 0 && html`<p class="kt-badges">${line.marks.map((mark) => html`<span class="kt-badge">${words.marks[mark]}</span> `)}</p>`}
<p class="kt-small">${seenText(context, line.seen)}${
      line.country !== undefined && ` · ${countryName(context.messages.locale, line.country)}`
    }${line.userAgent !== undefined && html` · ${name(deviceLabel(line.userAgent, device))}`}</p>
</li>`,
  )}</ul>`
}
${(view.older ?? view.newest) !== undefined && html`<p class="kt-links">${view.newest !== undefined && html`<a id="newest" href="${view.newest}">${words.newest}</a>`}${view.older !== undefined && html`<a id="older" href="${view.older}">${words.older}</a>`}</p>`}`,
  })
}
