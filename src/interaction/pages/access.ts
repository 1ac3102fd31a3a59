import { type Html, html } from '../../http/html.ts'
import type { Messages } from './messages.ts'
import { name } from './parts.ts'

/** A scope and its plain words; the scope itself when there are none. */
export type ScopeLine = { scope: string; text: string }

/** What an application requests. */
export type AccessView = {
  scopes: ScopeLine[]
  resources: Array<{ identifier: string; name?: string; scopes: ScopeLine[] }>
  /** Whether the access outlives the session. */
  offline: boolean
}

/**
 * What the application may do if allowed, in plain words, and for how long (ASVS 10.7.2).
 * @param heading above the list
 */
export function accessLists(
  messages: Messages,
  view: AccessView,
  heading: string = messages.consent.abilities,
): Html {
  const { consent } = messages
  return html`${abilities(messages, view, heading)}
${view.resources.map(
  (resource) => html`<section>
<h2>${consent.resource(name(resource.name ?? resource.identifier))}</h2>
${resource.name !== undefined && html`<p class="kt-small"><code>${resource.identifier}</code></p>`}
${scopeList(resource.scopes.length > 0 ? resource.scopes : [{ scope: '', text: consent.actForYou }])}
</section>`,
)}
${!view.offline && html`<p class="kt-small kt-lifetime">${lifetime(messages, view)}</p>`}`
}

function abilities(messages: Messages, view: AccessView, heading: string): Html {
  const { consent } = messages
  const lines = view.scopes.filter(({ scope }) => scope !== 'offline_access')
  if (view.offline) lines.push({ scope: 'offline_access', text: consent.offline })
  if (lines.length === 0 && view.resources.length === 0) {
    lines.push({ scope: '', text: consent.nothing })
  }
  if (lines.length === 0) return html``
  return html`<section><h2>${heading}</h2>${scopeList(lines)}</section>`
}

function scopeList(scopes: readonly ScopeLine[]): Html {
  return html`<ul class="kt-scopes">${scopes.map(
    ({ scope, text }) =>
      html`<li data-scope="${scope}">${text === scope && scope !== '' ? html`<code>${scope}</code>` : text}</li>`,
  )}</ul>`
}

/** Without `openid` there is no session the access could end with, only the lifetime of its tokens. */
function lifetime({ consent }: Messages, view: AccessView): string {
  const session = view.scopes.some(({ scope }) => scope === 'openid')
  return session ? consent.untilSignOut : consent.limited
}
