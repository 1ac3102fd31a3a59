import { deviceLabel } from '../../families/device.ts'
import { type Html, html } from '../../http/html.ts'
import { type AccountFrame, accountSection } from './account-layout.ts'
import { endForm, type Seen, seenText } from './account-parts.ts'
import type { PageContext } from './layout.ts'
import { csrfField, facts, name } from './parts.ts'

export type SessionLine = {
  /** The URL that ends it; undefined for the current session. */
  end?: string
  userAgent?: string
  signedIn?: Seen
  lastUsed: Seen
  applications: readonly string[]
}

/** A refresh-token family: the access of an application on a device. */
export type DeviceLine = {
  end: string
  application: string
  userAgent?: string
  allowed: Seen
  lastUsed: Seen
}

export type SessionsView = AccountFrame & {
  csrf: string
  /** The current session comes first. */
  sessions: readonly SessionLine[]
  devices: readonly DeviceLine[]
  endOthers: string
}

/** Sessions, and applications with access by device; each can be ended (ASVS 7.5.2). */
export function sessionsPage(context: PageContext, view: SessionsView): string {
  const { sections, sessions: words } = context.messages.account
  return accountSection(context, 'sessions', view, {
    title: sections.sessions,
    body: html`<p>${words.lead}</p>
<ul class="kt-items" id="sessions">${view.sessions.map((line) => sessionItem(context, view.csrf, line))}</ul>
${others(context, view)}
<section id="devices">
<h2>${words.devicesHeading}</h2>
<p class="kt-small">${view.devices.length === 0 ? words.noDevices : words.devicesLead}</p>
${deviceList(context, view.csrf, view.devices)}
</section>`,
  })
}

function others({ messages }: PageContext, view: SessionsView): Html {
  const { sessions: words } = messages.account
  const form = html`<form id="end-others-form" method="post" action="${view.endOthers}">
${csrfField(view.csrf)}
<p>${words.endOthersHint}</p>
<button id="end-others" class="kt-button kt-quiet" type="submit">${words.endOthers}</button>
</form>`
  if (view.sessions.length > 1) return form
  return html`<p class="kt-small">${words.onlyThis}</p>${view.devices.length > 0 && form}`
}

function sessionItem(context: PageContext, csrf: string, line: SessionLine): Html {
  const { device, sessions: words } = context.messages.account
  const label = name(deviceLabel(line.userAgent, device))
  return html`<li${line.end === undefined && html` class="kt-current"`}>
<h2>${label}${line.end === undefined && html` <span class="kt-badge kt-good">${words.here}</span>`}</h2>
${facts([
  [words.signedIn, line.signedIn && seenText(context, line.signedIn)],
  [words.lastUsed, seenText(context, line.lastUsed)],
  [words.applications, line.applications.length > 0 && joined(line.applications)],
])}
${line.end !== undefined && endForm(line.end, csrf, words.end, words.endNamed(label))}
</li>`
}

function deviceList(
  context: PageContext,
  csrf: string,
  devices: readonly DeviceLine[],
): Html | false {
  const { device, sessions: words } = context.messages.account
  if (devices.length === 0) return false
  return html`<ul class="kt-items">${devices.map((line) => {
    const [application, label] = [name(line.application), name(deviceLabel(line.userAgent, device))]
    return html`<li>
<h3>${application} · ${label}</h3>
${facts([
  [words.allowed, seenText(context, line.allowed)],
  [words.lastUsed, seenText(context, line.lastUsed)],
])}
${endForm(line.end, csrf, words.endDevice, words.endDeviceNamed(application, label))}
</li>`
  })}</ul>`
}

function joined(names: readonly string[]): Html[] {
  return names.map((text, index) => html`${index > 0 && ', '}${name(text)}`)
}
