import { assetVersion } from '../../http/assets.ts'
import { type Html, html } from '../../http/html.ts'
import type { Language, Messages } from './messages.ts'

/** The name and look of a deployment or tenant. The style sheet, if any, sets the `--kt-…` properties. */
export type Theme = { name: string; logoUrl?: string; stylesheetUrl?: string }

/** What every page needs: its language, the path prefix of our URLs (`''` or `'/t/acme'`), the theme. */
export type PageContext = {
  messages: Messages
  basePath: string
  theme: Theme
  /** The language requested by `ui_locales`, which takes precedence over the browser's. */
  asked?: Language
}

/** The URL of one of our own pages, keeping a requested language. */
export function ownAddress({ basePath, asked }: PageContext, path: string): string {
  return `${basePath}${path}${asked ? `?ui_locales=${asked}` : ''}`
}

type Script = 'submit.js' | 'show-password.js' | 'passkey.js'

export type PageContent = {
  title: string
  body: Html
  /**
   * Whether the form is shown again with an error: then the title begins with it, as screen readers read that first.
   */
  fault?: boolean
  /** Links to other pages. */
  navigation?: Html
  /** `wide` for pages that are read rather than filled in. */
  width?: 'narrow' | 'wide'
  /** Only for functions that the page can do without. */
  script?: readonly Script[]
}

/**
 * The HTML document around a page. It has no inline script or style, so `default-src 'none'; script-src 'self';
 * style-src 'self'; img-src 'self'` suffices.
 */
export function page(context: PageContext, content: PageContent): string {
  const { messages, basePath, theme } = context
  const title = content.fault ? messages.layout.faultTitle(content.title) : content.title
  const logo = theme.logoUrl ?? `${basePath}/assets/keyturn.svg?v=${assetVersion('keyturn.svg')}`
  const once = content.body.markup.includes('<form') ? (['once.js'] as const) : []
  const scripts = [...once, ...(content.script ?? [])]
  return html`<!doctype html>
<html lang="${messages.locale}">
<head>
<meta charset="utf-8">
<title>${title} · ${theme.name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" href="${logo}">
<link rel="stylesheet" href="${basePath}/assets/keyturn.css?v=${assetVersion('keyturn.css')}">
${theme.stylesheetUrl && html`<link rel="stylesheet" href="${theme.stylesheetUrl}">\n`}${scripts.map(
  (script) =>
    html`<script src="${basePath}/assets/${script}?v=${assetVersion(script)}" defer></script>\n`,
)}</head>
<body class="kt-page kt-${content.width ?? 'narrow'}">
<header class="kt-header">
<img class="kt-logo" src="${logo}" alt="" height="32">
<span class="kt-brand">${theme.name}</span>
</header>
${content.navigation}
<main class="kt-card">
${content.body}
</main>
<footer class="kt-footer"><p>${messages.layout.promise}</p></footer>
</body>
</html>
`.markup
}
