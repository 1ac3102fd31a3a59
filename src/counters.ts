/** What is counted, and when; a new count is a new line here. */
export const countMeanings = {
  family_started: 'A refresh-token family began.',
  family_rotated: 'A refresh token was replaced by its successor.',
  family_replayed: 'The previous refresh token got its answer again.',
  family_reuse_race: 'A refresh token was used again, probably by the device that used it first.',
  family_reuse_attack: 'A refresh token was used again, by somebody else or much later.',
  backchannel_asked: 'A backchannel authentication request came and waits for its person.',
  backchannel_refused:
    'One was refused: too many waited, or its client had named too many strangers.',
  backchannel_allowed: 'A person allowed one.',
  backchannel_denied: 'A person denied one.',
  machine_token_issued: 'A client got a token for itself (client credentials).',
  dpop_key_missing: 'A token bound by DPoP came without a proof, and was refused.',
  dpop_key_other: 'A token bound by DPoP came with a proof of another key, and was refused.',
  mtls_key_missing: 'A token bound to a certificate came without one, and was refused.',
  mtls_key_other: 'A token bound to a certificate came with another, and was refused.',
  signing_key_made: 'A signing key was made.',
  signing_key_late: 'The next signing key was not published in time.',
  signing_key_overdue: 'A signing key became older than its schedule.',
  guess_checked: 'A guess at a secret of a person was looked at.',
  guess_paused: 'A guess was not looked at, as its account had no tries left.',
  account_locked: 'An account, or a device known to it, was locked for wrong guesses.',
  rate_limited: 'A request was refused by a rate limit.',
  limits_local: 'Redis did not answer, and a rate limit was counted in this process alone.',
  refusal_not_kept: 'A refusal was not kept to be explained: too many of its kind, or in all.',
  request_shed: 'A request was refused, as the process worked on too many already.',
  hash_shed: 'A password was not checked, as too many waited already.',
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
