import type { Context, Middleware } from 'koa'
import { assetVersion } from '../http/assets.ts'
import { escapeHtml, html } from '../http/html.ts'
import type { PageContext } from './pages/layout.ts'

/** The marks of the engine's own page that hands a form over; a script sends it at once. */
const marks = {
  title: '<title>Submitting Callback</title>',
  text: /Your browser does not support JavaScript[^<]*<br\/>/,
  button: '<button autofocus type="submit">Continue</button>',
}

/**
 * Makes the engine's form_post page one of ours. It is seen where scripts are switched off, and then it is the page a
 * person has to act on (K-09). Its script stays as it is: the policy names it by its hash.
 */
export function dressHandover(pageContext: (ctx: Context) => PageContext): Middleware {
  return async (ctx, next) => {
    await next()
    const { body } = ctx
    if (typeof body !== 'string' || !body.includes(marks.title)) return
    const { messages, basePath, theme } = pageContext(ctx)
    const { title, text, submit } = messages.handover
    const sheet = `${basePath}/assets/keyturn.css?v=${assetVersion('keyturn.css')}`
    ctx.body = body
      .replace('<html>', `<html lang="${messages.locale}">`)
      .replace(
        marks.title,
        () =>
          html`<title>${title} · ${theme.name}</title>
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <link rel="stylesheet" href="${sheet}">${theme.stylesheetUrl && html`<link rel="stylesheet" href="${theme.stylesheetUrl}">`}`
            .markup,
      )
      .replace('<body>', '<body class="kt-page kt-narrow">')
      .replace('<noscript>', '<noscript><main class="kt-card">')
      .replace(marks.text, () => html`<h1>${title}</h1><p>${text}</p>`.markup)
      .replace(
        marks.button,
        `<button class="kt-button" type="submit">${escapeHtml(submit)}</button></main>`,
      )
  }
}
