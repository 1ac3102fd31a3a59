import type { FamilyFinding } from '../../families/unusual.ts'
import { type Html, html } from '../../http/html.ts'
import { type AccessView, accessLists } from './access.ts'
import { type AccountFrame, accountSection } from './account-layout.ts'
import { endForm, type Seen, seenText } from './account-parts.ts'
import type { PageContext } from './layout.ts'
import { facts, linkOut, name, safeUrl } from './parts.ts'

export type ApplicationLine = {
  /** The URL that revokes the access. */
  end: string
  name: string
  clientId: string
  uri?: string
  logoUrl?: string
  access: AccessView
  /** Milliseconds since the epoch, as the next. */
  since: number
  lastUsed: number
  /** Number of devices with refresh tokens. */
  devices: number
  /** Recent unusual events. */
  notes: ReadonlyArray<{ finding: FamilyFinding; seen: Seen }>
}

export type ApplicationsView = AccountFrame & {
  csrf: string
  applications: readonly ApplicationLine[]
}

/** What applications may do, in plain words; each can be revoked (ASVS 10.4.9, 10.7.3). */
export function applicationsPage(context: PageContext, view: ApplicationsView): string {
  const { sections, applications: words } = context.messages.account
  const { applications, csrf } = view
  return accountSection(context, 'applications', view, {
    title: sections.applications,
    body: html`<p>${applications.length === 0 ? words.none : words.lead}</p>
${
  applications.length > 0 &&
  html`<ul class="kt-items" id="applications">${applications.map((line) => item(context, csrf, line))}</ul>
<p class="kt-hint">${words.takeBackHint}</p>`
}`,
  })
}

function item(context: PageContext, csrf: string, line: ApplicationLine): Html {
  const { account, consent } = context.messages
  const { applications: words, history } = account
  const website = safeUrl(line.uri)
  return html`<li>
<h2>${line.logoUrl !== undefined && html`<img class="kt-logo" src="${line.logoUrl}" alt="" height="32"> `}${name(line.name)}</h2>
${accessLists(context.messages, line.access, words.abilities)}
${facts([
  [consent.application, html`<code>${line.clientId}</code>`],
  [consent.website, website && linkOut(website, website.host, consent.newTab)],
  [words.since, seenText(context, { at: line.since })],
  [
    words.lastUsed,
    html`${seenText(context, { at: line.lastUsed })}${line.devices > 0 && ` · ${words.devices(line.devices)}`}`,
  ],
])}
${
  line.notes.length > 0 &&
  html`<ul class="kt-findings">${line.notes.map(
    ({ finding, seen }) => html`<li data-event="${finding}">
<span class="kt-badge">${history.events[finding]}</span> <span class="kt-small">${seenText(context, seen)}</span></li>`,
  )}</ul>
<p class="kt-small">${words.findingsHint}</p>`
}
${endForm(line.end, csrf, words.takeBack, words.takeBackNamed(name(line.name)))}
</li>`
}
