import { type Html, html } from '../../http/html.ts'
import { errorKind } from './error.kinds.ts'
import { momentText } from './format.ts'
import { type PageContext, page } from './layout.ts'
import { facts, hiddenFields } from './parts.ts'

export type ErrorView = {
  /** The HTTP status the page is sent with. */
  status: number
  /** Replaces the title of the code. */
  title?: string
  /** The OAuth error code. */
  error: string
  /** `error_description`: technical, for developers, in English. */
  description?: string
  /** The request id, under which this refusal is logged. */
  id: string
  /** When, in milliseconds. */
  time: number
  /** What the person can do, if the caller knows better than the code tells. */
  hint?: string
  /** A link back to the application, which the person may follow. */
  wayBack?: WayBack
  /** Where the client has declared that sign-ins begin. */
  startAgain?: string | undefined
}

/** A link, or a form with its fields where the answer is one (OAuth 2.0 Form Post Response Mode). */
export type WayBack = {
  /** The host of the link, or its scheme. */
  host: string
  href: string
  fields?: Array<[name: string, value: string]>
}

/** An error page, first for the person, then for the developer (P-071: all given text is escaped). */
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
