import { type Html, html } from '../../http/html.ts'
import { type AccessView, accessLists } from './access.ts'
import { momentText } from './format.ts'
import { type PageContext, page } from './layout.ts'
import type { Messages } from './messages.ts'
import { csrfField, facts, linkOut, name, safeUrl } from './parts.ts'

/** A pending request in the list of the account page; times in milliseconds since the epoch. */
export type RequestLine = {
  href: string
  clientName: string
  bindingMessage?: string
  askedAt: number
}

export type RequestView = AccessView & {
  action: string
  csrf: string
  client: { name: string; clientId: string; uri?: string; logoUrl?: string }
  account: { name: string; email: string }
  bindingMessage?: string
  askedAt: number
  expiresAt: number
  /** The IP address that it came from. */
  askedFrom: string
}

export type RequestResultView = {
  outcome: 'allowed' | 'denied' | 'over'
  account: { href: string }
}

/** The pending requests on the account page; nothing when there are none. */
export function requestList({ messages }: PageContext, lines: readonly RequestLine[]): Html {
  if (lines.length === 0) return html``
  const { request: words, locale } = messages
  return html`<section id="requests">
<h2>${words.listHeading}</h2>
<p class="kt-small">${words.listLead}</p>
${facts(
  lines.map(({ href, clientName, bindingMessage, askedAt }) => [
    momentText(locale, askedAt),
    html`<a class="kt-request" href="${href}">${words.heading(name(clientName))}</a>${
      bindingMessage !== undefined && html`<br><bdi>${bindingMessage}</bdi>`
    }`,
  ]),
)}
</section>`
}

/**
 * Shows who requests what, the message that the application shows as well, and where the request came from: a person
 * who did not start it should deny it (OpenID CIBA Core §7.1 `binding_message`, ASVS 10.7.2).
 */
export function requestPage(context: PageContext, view: RequestView): string {
  const { messages } = context
  const { request: words, consent, locale } = messages
  const { client, account, bindingMessage } = view
  const website = safeUrl(client.uri)
  return page(context, {
    title: words.title,
    width: 'wide',
    body: html`<h1>${logo(client.logoUrl)}${words.heading(name(client.name))}</h1>
<p class="kt-lead">${consent.signedInAs(html`${name(account.name)} <bdi>${account.email}</bdi>`)}</p>
<div class="kt-notice" id="request-warning" role="note"><p>${words.warning}</p></div>
${bindingMessage !== undefined && message(messages, bindingMessage)}
${accessLists(messages, view)}
${facts([
  [consent.application, html`<code>${client.clientId}</code>`],
  [consent.website, website && linkOut(website, website.host, consent.newTab)],
  [words.askedFrom, html`<code id="asked-from">${view.askedFrom}</code>`],
  [words.askedAt, momentText(locale, view.askedAt)],
  [words.validUntil, momentText(locale, view.expiresAt)],
])}
<form id="request-form" method="post" action="${view.action}">
${csrfField(view.csrf)}
<div class="kt-choice">
<button id="allow" class="kt-button" type="submit" name="decision" value="allow" aria-describedby="request-warning">${consent.allow}</button>
<button id="deny" class="kt-button kt-quiet" type="submit" name="decision" value="deny">${consent.deny}</button>
</div>
</form>`,
  })
}

/** Invisible when the image does not load. */
function logo(url: string | undefined): Html | undefined {
  if (url === undefined) return undefined
  return html`<img class="kt-logo" id="client-logo" src="${url}" alt="" height="32"> `
}

function message({ request: words }: Messages, text: string): Html {
  return html`<div class="kt-reference"><p id="message-label">${words.message}</p>
<p class="kt-message"><bdi id="binding-message" aria-labelledby="message-label">${text}</bdi></p></div>`
}

/** The last page for the person; the application learns the result by polling or ping. */
export function requestResultPage(context: PageContext, view: RequestResultView): string {
  const { request: words } = context.messages
  const { title, text } = words.outcomes[view.outcome]
  return page(context, {
    title,
    body: html`<h1>${title}</h1>
<p id="request-outcome" data-outcome="${view.outcome}">${text}</p>
<p><a id="account-link" class="kt-button kt-quiet" href="${view.account.href}">${words.back}</a></p>`,
  })
}
