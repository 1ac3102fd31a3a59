import type Provider from 'oidc-provider'

type Params = Record<string, unknown>

/**
 * Leaves out each `resource` that came without a value, as if it had not been sent (RFC 6749 §3.1, §3.2), or that came
 * before. Of parameters that come once the engine does so itself; this one may come several times (RFC 8707 §2).
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
