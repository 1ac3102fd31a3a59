import type { Context, Middleware } from 'koa'
import { handoverPage } from './pages/handover.ts'
import type { PageContext } from './pages/layout.ts'

/** Parts of the engine's form_post page, which submits the form by an inline script. */
const marks = {
  title: '<title>Submitting Callback</title>',
  action: /<form method="post" action="([^"]*)">/,
  field: /<input type="hidden" name="([^"]*)" value="([^"]*)"\/>/g,
}

/** The script hash that the engine adds to the policy. */
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

/** The fields and target of the engine's form. */
export interface Handover {
  action: string
  fields: Array<[name: string, value: string]>
}

/** Parses an answer of the engine if it is its form_post page, and removes its script from the policy. */
export function takeHandover(ctx: Context): Handover | undefined {
  const { body } = ctx
  if (typeof body !== 'string' || !body.includes(marks.title)) return undefined
  const policy = ctx.response.get('Content-Security-Policy')
  ctx.set('Content-Security-Policy', policy.replace(scriptHash, ''))
  const [, action = ''] = marks.action.exec(body) ?? []
  return {
    action: unescape(action),
    fields: [...body.matchAll(marks.field)].map(([, name = '', value = '']) => [
      unescape(name),
      unescape(value),
    ]),
  }
}

/**
 * Replaces the engine's form_post page (OAuth 2.0 Form Post Response Mode) by ours. Its script is a file, so that no
 * inline script is ever allowed; its button works without scripts (K-09).
 */
export function dressHandover(pageContext: (ctx: Context) => PageContext): Middleware {
  return async (ctx, next) => {
    await next()
    const handover = takeHandover(ctx)
    if (!handover) return
    ctx.body = handoverPage(pageContext(ctx), handover)
  }
}
