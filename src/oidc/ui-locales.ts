import type { Context } from 'koa'

const remembered = new WeakMap<object, string>()

/** Keeps the languages of an interaction for pages that know only the request. */
export function rememberLocales(ctx: Context, uiLocales: unknown): void {
  if (typeof uiLocales === 'string') remembered.set(ctx, uiLocales)
}

/** The `ui_locales` of the interaction, of the engine's parameters, or of the query, in this order. Not validated. */
export function requestedLocales(ctx: Context): string | undefined {
  const { oidc } = ctx as { oidc?: { params?: Record<string, unknown> } }
  const found = remembered.get(ctx) ?? oidc?.params?.['ui_locales'] ?? ctx.query['ui_locales']
  return typeof found === 'string' ? found : undefined
}
