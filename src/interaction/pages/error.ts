import { type Html, html } from '../../http/html.ts'
import { errorKind } from './error.kinds.ts'
import { momentText } from './format.ts'
import { type PageContext, page } from './layout.ts'
import { facts, hiddenFields } from './parts.ts'

export type ErrorView = {
  /** The HTTP status the page is sent with. */
  status: number
  /** Instead of the title that belongs to the code. */
  title?: string
  /** The OAuth error code. */
  error: string
  /** `error_description`: technical, for those who run the application; English, as the protocol has no umlauts. */
  description?: string
  /** The id this refusal is logged under. */
  id: string
  /** When, in milliseconds. */
  time: number
  /** What the person can do, when the caller knows better than the code does. */
  hint?: string
  /** To the application, for a person to take or to leave. */
  wayBack?: WayBack
  /** Where the application has declared that sign-ins begin. */
  startAgain?: string | undefined
}

/** A link, or where the answer is a form (OAuth 2.0 Form Post Response Mode) one with its fields. */
export type WayBack = {
  /** The host that it leads to, or the scheme. */
  host: string
  href: string
  fields?: Array<[name: string, value: string]>
}

/** A refusal, in words for the person first and for the developer after (P-071: everything given is escaped). */
export function errorPage(context: PageContext, view: ErrorView): string {
  const { error } = context.messages
  const words = error.kinds[errorKind(view.error, view.status)]
  const title = view.title ?? words.title
  return page(context, {
    title,
    width: 'wide',
    body: html`<h1>${title}</h1>
<p>${words.text}</p>
${view.hint && html`<p>${view.hint}</p>`}
${view.wayBack && wayBack(context, view.wayBack)}
${view.startAgain && html`<p><a id="start-again" class="kt-button" href="${view.startAgain}">${error.wayBackSubmit}</a></p>`}
<div class="kt-reference">
<p><span class="kt-term">${error.reference}</span> <code id="error-id">${view.id}</code></p>
<p class="kt-small">${error.referenceHint}</p>
</div>
<section class="kt-technical">
<h2>${error.details}</h2>
${facts([
  [error.code, html`<code id="error-code">${view.error}</code>`],
  [error.status, view.status],
  [error.time, momentText(context.messages.locale, view.time)],
  [
    error.description,
    view.description && html`<span id="error-description" lang="en">${view.description}</span>`,
  ],
])}
</section>`,
  })
}

function wayBack({ messages: { error } }: PageContext, { host, href, fields }: WayBack): Html {
  const text = html`<p>${error.wayBack(html`<bdi id="way-back-host" class="kt-name">${host}</bdi>`)}</p>`
  if (!fields) {
    return html`${text}
<p><a id="way-back" class="kt-button kt-quiet" href="${href}">${error.wayBackSubmit}</a></p>`
  }
  return html`${text}
<form id="way-back-form" method="post" action="${href}">
${hiddenFields(fields)}<button id="way-back" class="kt-button kt-quiet" type="submit">${error.wayBackSubmit}</button>
</form>`
}
