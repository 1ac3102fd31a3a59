import { type Html, html } from '../../http/html.ts'
import { type AccessView, accessLists } from './access.ts'
import { momentText } from './format.ts'
import { type PageContext, page } from './layout.ts'
import type { Messages } from './messages.ts'
import { csrfField, facts, linkOut, name, safeUrl } from './parts.ts'

/** A request that waits, as the account page lists it; times in milliseconds since the epoch. */
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
  /** The network address that it came from. */
  askedFrom: string
}

export type RequestResultView = {
  outcome: 'allowed' | 'denied' | 'over'
  account: { href: string }
}

/** The requests that wait, for the account page; nothing when there are none. */
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
 * Who asks for what, with the words that the application shows as well, and where the request came from: whoever
 * started nothing denies (OpenID CIBA Core §7.1 `binding_message`, ASVS 10.7.2).
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

/** Nothing is left of it when the picture does not come. */
function logo(url: string | undefined): Html | undefined {
  if (url === undefined) return undefined
  return html`<img class="kt-logo" id="client-logo" src="${url}" alt="" height="32"> `
}

function message({ request: words }: Messages, text: string): Html {
  return html`<div class="kt-reference"><p id="message-label">${words.message}</p>
<p class="kt-message"><bdi id="binding-message" aria-labelledby="message-label">${text}</bdi></p></div>`
}

/** The end for the person; the application hears of it when it asks, or is told. */
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
