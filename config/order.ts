import type { ConfigKey } from './config.ts'

/** Pairs of settings of which the first must not exceed the second. */
export const ordered: readonly (readonly [ConfigKey, ConfigKey])[] = [
  ['jwksMaxAge', 'keyPrepublish'],
  ['keyPrepublish', 'keyRotateEvery'],
  ['accessTokenTtl', 'keyRetain'],
  ['idTokenTtl', 'keyRetain'],
  ['sessionIdleTtl', 'sessionAbsoluteTtl'],
  ['refreshTokenIdleTtl', 'refreshTokenAbsoluteTtl'],
  ['headersTimeout', 'requestTimeout'],
]
