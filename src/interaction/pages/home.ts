import { html } from '../../http/html.ts'
import { type PageContext, page } from './layout.ts'
import { facts } from './parts.ts'

/** Our own URLs, never taken from a request. */
export type HomeView = { issuer: string; discoveryUrl: string; accountUrl: string }

/** The page at the issuer URL. */
export function homePage(context: PageContext, view: HomeView): string {
  const { home } = context.messages
  return page(context, {
    title: home.title,
    width: 'wide',
    body: html`<h1>${home.title}</h1>
<p>${home.lead}</p>
<p><a id="account-link" class="kt-button" href="${view.accountUrl}">${home.account}</a></p>
<section class="kt-technical">
<h2>${home.developers}</h2>
${facts([
  [home.issuer, html`<code id="issuer">${view.issuer}</code>`],
  [
    home.discovery,
    html`<a id="discovery-link" href="${view.discoveryUrl}">${view.discoveryUrl}</a>`,
  ],
])}
</section>`,
  })
}
