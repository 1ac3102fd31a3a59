import type { Context } from 'koa'
import type { PageContext, Theme } from './layout.ts'
import { messagesFor } from './messages.ts'

/** Makes the context of a page from a request: the language that was asked for, else the browser's (OIDC Core §3.1.2.1). */
export function pageContexts({ basePath, theme }: { basePath: string; theme: Theme }) {
  return (ctx: Context, uiLocales?: string): PageContext => ({
    messages: messagesFor(...(uiLocales?.split(' ') ?? []), ...browserLanguages(ctx)),
    basePath,
    theme,
  })
}

function browserLanguages(ctx: Context): string[] {
  const accepted = ctx.acceptsLanguages()
  return Array.isArray(accepted) ? accepted.filter((tag) => tag !== '*') : []
}
