import type { Context } from 'koa'
import { requestedLocales } from '../../oidc/ui-locales.ts'
import type { PageContext, Theme } from './layout.ts'
import { type Language, messagesOf, spoken } from './messages.ts'

/**
 * Creates the context of a page from a request. The language is the requested one, else the browser's (OIDC Core
 * §3.1.2.1), else the configured one.
 */
export function pageContexts(parts: { basePath: string; theme: Theme; language: Language }) {
  const { basePath, theme, language } = parts
  return (ctx: Context): PageContext => {
    const asked = spoken(requestedLocales(ctx)?.split(' ') ?? [])
    return {
      messages: asked ?? spoken(browserLanguages(ctx)) ?? messagesOf(language),
      basePath,
      theme,
      ...(asked ? { asked: asked.locale } : {}),
    }
  }
}

function browserLanguages(ctx: Context): string[] {
  const accepted = ctx.acceptsLanguages()
  return Array.isArray(accepted) ? accepted : []
}
