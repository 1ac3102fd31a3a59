import type Provider from 'oidc-provider'

type Params = Record<string, unknown>

/**
 * Drops each `resource` that is empty or repeated (RFC 6749 §3.1, §3.2). The engine does so for parameters that may
 * come once; this one may come several times (RFC 8707 §2).
 */
export function leaveOutValuelessResources({ OIDCContext }: Provider): void {
  const kept = new WeakMap<object, Params | undefined>()
  // The engine sets it once it has read a request, and before it looks at anything in it.
  Object.defineProperty(OIDCContext.prototype, 'params', {
    configurable: true,
    get(this: object) {
      return kept.get(this)
    },
    set(this: object, params: Params | undefined) {
      const named = params?.['resource']
      if (params && Array.isArray(named)) params['resource'] = withValue(named)
      kept.set(this, params)
    },
  })
}

function withValue(named: unknown[]): unknown {
  const found = [...new Set(named)].filter((each) => each !== '')
  return found.length > 1 ? found : found[0]
}
