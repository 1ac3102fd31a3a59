/** The names in a `scope` (RFC 6749 §3.3); empty for anything but a string. */
export const scopeSet = (scope: unknown): Set<string> =>
  new Set(typeof scope === 'string' ? scope.split(' ').filter(Boolean) : [])
