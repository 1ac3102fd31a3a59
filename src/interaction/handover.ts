import type { Context, Middleware } from 'koa'
import { html } from '../http/html.ts'
import { type PageContext, page } from './pages/layout.ts'

/** The marks of the engine's own page that hands a form over by an inline script. */
const marks = {
  title: '<title>Submitting Callback</title>',
  action: /<form method="post" action="([^"]*)">/,
  field: /<input type="hidden" name="([^"]*)" value="([^"]*)"\/>/g,
}

/** What the engine added to the policy for its script. */
const scriptHash = / 'sha256-[^']+'/g

const entities: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&#39;': "'",
  '&amp;': '&',
}

function unescape(text: string): string {
  return text.replace(/&(?:lt|gt|quot|#39|amp);/g, (entity) => entities[entity] ?? entity)
}

/**
 * Puts a page of ours in place of the engine's form_post page (OAuth 2.0 Form Post Response Mode): its script is a file,
 * so that no inline script is ever allowed, and its button is there for whoever has scripts switched off (K-09).
 */
export function dressHandover(pageContext: (ctx: Context) => PageContext): Middleware {
  return async (ctx, next) => {
    await next()
    const { body } = ctx
    if (typeof body !== 'string' || !body.includes(marks.title)) return
    const context = pageContext(ctx)
    const { title, text, submit } = context.messages.handover
    const [, action = ''] = marks.action.exec(body) ?? []
    const fields = [...body.matchAll(marks.field)].map(
      ([, name = '', value = '']) =>
        html`<input type="hidden" name="${unescape(name)}" value="${unescape(value)}">\n`,
    )
    ctx.body = page(context, {
      title,
      script: 'submit.js',
      body: html`<h1>${title}</h1>
<p>${text}</p>
<form method="post" action="${unescape(action)}">
${fields}<button class="kt-button" type="submit">${submit}</button>
</form>`,
    })
    const policy = ctx.response.get('Content-Security-Policy')
    ctx.set('Content-Security-Policy', policy.replace(scriptHash, ''))
  }
}
