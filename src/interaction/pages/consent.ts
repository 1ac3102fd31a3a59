import { type Html, html } from '../../http/html.ts'
import { type AccessView, accessLists } from './access.ts'
import { type PageContext, page } from './layout.ts'
import type { Messages } from './messages.ts'
import { csrfField, facts, hiddenFields, linkOut, name, safeUrl } from './parts.ts'

export type ConsentView = AccessView & {
  action: string
  csrf: string
  cancel: { action: string }
  client: {
    name: string
    uri?: string
    /** Our own copy of the client's logo. Never for a self-registered client: people trust images. */
    logoUrl?: string
    clientId: string
    policyUri?: string
    tosUri?: string
  }
  /** The host of the redirect URI, to which the answer goes; undefined for a device. */
  redirectHost?: string
  /** The code on the device (RFC 8628 §5.4, P-034). */
  userCode?: string
  /** Whether the redirect URI is loopback, where any local program could receive the answer. */
  toLoopback: boolean
  /** Whether no operator has declared the client. */
  unverified?: boolean
  /** Hash of what this page showed of such a client, posted with the form. */
  shown?: string
  /** The host of the client's metadata document. */
  documentHost?: string
  account: { name: string; email: string }
}

/**
 * Shows who requests what, for how long, and where the answer goes (ASVS 10.7.2). Shows the hosts of the metadata
 * document and of the redirect URI, and warns of clients that exist only on the person's machine (P-089: OAuth Client
 * ID Metadata Document §6.4).
 */
export function consentPage(context: PageContext, view: ConsentView): string {
  const { messages } = context
  const { consent } = messages
  const client = name(view.client.name)
  return page(context, {
    title: consent.title,
    width: 'wide',
    body: html`<h1>${logo(view)}${consent.heading(client)}</h1>
<p class="kt-lead">${consent.signedInAs(html`${name(view.account.name)} <bdi>${view.account.email}</bdi>`)}</p>
${view.unverified && notice(warning(consent, view))}
${view.toLoopback && notice(html`${consent.localhost}`)}
${accessLists(messages, view)}
${provenance(messages, view)}
<form id="consent-form" method="post" action="${view.action}">
${csrfField(view.csrf)}
${view.shown !== undefined && hiddenFields([['shown', view.shown]])}
<div class="kt-choice">
<button id="allow" class="kt-button" type="submit" name="decision" value="allow">${consent.allow}</button>
<button id="deny" class="kt-button kt-quiet" type="submit" name="decision" value="deny" formaction="${view.cancel.action}">${consent.deny}</button>
</div>
</form>
${documents(messages, view)}`,
  })
}

function warning(consent: Messages['consent'], { client, documentHost: host }: ConsentView): Html {
  const called = name(client.name)
  if (host === undefined) return consent.unverified(called)
  return consent.document(called, html`<code>${host}</code>`)
}

/** Invisible when the image does not load. */
function logo({ client, unverified }: ConsentView): Html | undefined {
  if (client.logoUrl === undefined || unverified) return undefined
  return html`<img class="kt-logo" id="client-logo" src="${client.logoUrl}" alt="" height="32"> `
}

function notice(text: Html): Html {
  return html`<div class="kt-notice" role="note"><p>${text}</p></div>`
}

function provenance({ consent }: Messages, view: ConsentView): Html {
  const { clientId, uri } = view.client
  const website = safeUrl(uri)
  return facts([
    [consent.application, html`<code>${safeUrl(clientId)?.host ?? clientId}</code>`],
    [consent.website, website && linkOut(website, website.host, consent.newTab)],
    [
      consent.returnsTo,
      view.redirectHost !== undefined && html`<code id="redirect-host">${view.redirectHost}</code>`,
    ],
    [
      consent.deviceCode,
      view.userCode !== undefined && html`<code id="user-code">${view.userCode}</code>`,
    ],
  ])
}

function documents({ consent }: Messages, view: ConsentView): Html {
  const policy = safeUrl(view.client.policyUri)
  const terms = safeUrl(view.client.tosUri)
  if (!policy && !terms) return html``
  return html`<p class="kt-links">
${policy && linkOut(policy, consent.policy, consent.newTab)}
${terms && linkOut(terms, consent.terms, consent.newTab)}
</p>`
}
