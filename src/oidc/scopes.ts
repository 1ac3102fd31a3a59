/** The names in a `scope` (RFC 6749 §3.3); none in what is no text. */
export const scopeSet = (scope: unknown): Set<string> =>
  new Set(typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [])
