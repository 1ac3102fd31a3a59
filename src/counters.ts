/** What is counted, and when; a new count is a new line here. */
export const countMeanings = {
  family_started: 'A refresh-token family was started.',
  family_rotated: 'A refresh token was replaced by its successor.',
  family_replayed: 'The previous refresh token was sent again and got the same response.',
  family_reuse_race: 'A refresh token was reused, probably by the device that used it first.',
  family_reuse_attack: 'A refresh token was reused, by somebody else or much later.',
  backchannel_asked: 'A backchannel authentication request arrived and is pending.',
  backchannel_refused:
    'A backchannel authentication request was refused: too many were pending, or its client had named too many unknown users.',
  backchannel_allowed: 'A user approved a backchannel authentication request.',
  backchannel_denied: 'A user denied a backchannel authentication request.',
  machine_token_issued: 'A client got a token for itself (client credentials).',
  dpop_key_missing: 'A DPoP-bound token was refused: it was sent without a proof.',
  dpop_key_other: 'A DPoP-bound token was refused: its proof was signed with another key.',
  mtls_key_missing: 'A certificate-bound token was refused: it was sent without a certificate.',
  mtls_key_other: 'A certificate-bound token was refused: it was sent with another certificate.',
  signing_key_made: 'A signing key was created.',
  signing_key_late: 'The next signing key was not published in time.',
  signing_key_overdue: 'A signing key stayed in use longer than scheduled.',
  guess_checked: 'A password or another secret of a user was checked.',
  guess_paused: 'A password or another secret was not checked: its account had no attempts left.',
  account_locked: 'An account, or a browser known to it, was locked after wrong attempts.',
  rate_limited: 'A request was refused by a rate limit.',
  limits_local: 'Redis did not answer, so a rate limit was counted in this process only.',
  refusal_not_kept: 'A refusal was not stored for `explain`: too many of its kind, or in total.',
  request_shed: 'A request was refused for overload: the process was already handling too many.',
  hash_shed: 'A password was not checked: too many were already waiting.',
} as const

export type CountName = keyof typeof countMeanings

/** How often things happened in this process since it started. */
export interface Counters {
  count(name: CountName): void
  read(): Readonly<Record<CountName, number>>
}

export function createCounters(): Counters {
  const counts = Object.fromEntries(Object.keys(countMeanings).map((name) => [name, 0])) as Record<
    CountName,
    number
  >
  return {
    count: (name) => void counts[name]++,
    read: () => ({ ...counts }),
  }
}
