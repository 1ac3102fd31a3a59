import type { Context } from 'koa'

const remembered = new WeakMap<object, string>()

/** Says in which languages the interaction of a request is held, for the pages that know the request alone. */
export function rememberLocales(ctx: Context, uiLocales: unknown): void {
  if (typeof uiLocales === 'string') remembered.set(ctx, uiLocales)
}

/** `ui_locales` of a request: of its interaction, of what the engine read, else of its address. Not checked. */
export function requestedLocales(ctx: Context): string | undefined {
  const { oidc } = ctx as { oidc?: { params?: Record<string, unknown> } }
  const found = remembered.get(ctx) ?? oidc?.params?.['ui_locales'] ?? ctx.query['ui_locales']
  return typeof found === 'string' ? found : undefined
}
