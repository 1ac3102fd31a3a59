import type { Change } from './observation.ts'
import type { ProofName } from './proofs.ts'

/** What a form may change, and the proofs it needs. All proofs must be for the same account. */
export interface Rule {
  to: RegExp
  demands: ProofName[]
  /** Allowed changes of that account. */
  may: Allowed[]
  /** What must hold after the first change in `may`, or with `always` after the proofs alone. */
  leaves?: Aftermath
  always?: true
}

export type Aftermath = 'no session' | 'no other session' | 'not this session'

/** For sessions, `own` is the session of the browser that sends the form. */
type Allowed =
  | Exclude<Change['kind'], `link ${string}` | `session ${string}`>
  | 'own session ended'
  | 'other session ended'
  | 'named session ended'
  | `${'make' | 'use' | 'withdraw'} ${'reset' | 'verification' | 'email_change' | 'email_objection'}`

const atDesk = ['own session', 'fresh session', 'session with all factors'] as const

/**
 * The required proofs. Whatever is in no row changes nothing, and opening a page changes nothing. New sessions have no
 * row: each takes a complete sign-in of its browser (`isComplete`), once. A session never moves to another browser. An
 * account is created through the latest link to its address, once (`newcomers.ts`).
 */
export const rules: Rule[] = [
  // Sign-in
  {
    to: /^\/interaction\/[^/]+\/factor$/,
    demands: ['password in this sign-in', 'unused code'],
    may: ['app code spent', 'recovery code spent'],
  },
  {
    to: /^\/interaction\/[^/]+\/factor$/,
    demands: ['password in this sign-in', 'passkey beside the password'],
    may: ['passkey used'],
  },
  { to: /^\/interaction\/[^/]+\/passkey$/, demands: ['passkey alone'], may: ['passkey used'] },
  {
    to: /^\/interaction\/[^/]+\/password$/,
    demands: ['password for one use in this sign-in'],
    may: ['password'],
  },
  {
    to: /^\/interaction\/[^/]+\/set-up$/,
    demands: ['password in this sign-in', 'no factor yet', 'code of the new key'],
    may: ['app added', 'recovery codes replaced'],
  },
  {
    to: /^\/interaction\/[^/]+\/set-up$/,
    demands: ['password in this sign-in', 'no factor yet', 'new passkey'],
    may: ['passkey added', 'recovery codes replaced'],
  },
  // Links in mails
  { to: /^\/password\/forgot$/, demands: ['name of the account'], may: ['make reset'] },
  {
    to: /^\/password\/reset$/,
    demands: ['reset link'],
    may: ['password', 'use reset', 'own session ended', 'other session ended'],
    leaves: 'no session',
  },
  {
    to: /^\/email\/verify$/,
    demands: ['verification link'],
    may: ['verified', 'use verification'],
  },
  {
    to: /^\/email\/confirm$/,
    demands: ['link to the new address'],
    may: ['address', 'verified', 'use email_change', 'withdraw email_objection'],
  },
  {
    to: /^\/email\/object$/,
    demands: ['link to the old address'],
    may: ['use email_objection', 'withdraw email_change'],
  },
  // Account pages
  { to: /^\/account\/email\/verify$/, demands: ['own session'], may: ['make verification'] },
  {
    to: /^\/account\/email$/,
    demands: [...atDesk],
    may: ['make email_change', 'make email_objection'],
  },
  {
    to: /^\/account\/password$/,
    demands: [...atDesk, 'current password'],
    may: ['password', 'other session ended'],
  },
  {
    to: /^\/account\/factors\/new\/confirm$/,
    demands: [...atDesk, 'code of the new key'],
    may: ['app added', 'recovery codes replaced', 'other session ended'],
  },
  {
    to: /^\/account\/factors\/passkey$/,
    demands: [...atDesk, 'new passkey'],
    may: ['passkey added', 'recovery codes replaced', 'other session ended'],
  },
  {
    to: /^\/account\/factors\/[^/]+\/remove$/,
    demands: [...atDesk],
    may: ['app removed', 'passkey removed', 'recovery codes replaced', 'other session ended'],
  },
  {
    to: /^\/account\/factors\/codes$/,
    demands: [...atDesk],
    may: ['recovery codes replaced'],
  },
  {
    to: /^\/account\/sign-out$/,
    demands: ['own session'],
    may: ['own session ended'],
    leaves: 'not this session',
    always: true,
  },
  {
    to: /^\/account\/sign-out-everywhere$/,
    demands: ['own session'],
    may: ['own session ended', 'other session ended'],
    leaves: 'no session',
    always: true,
  },
  {
    to: /^\/account\/sign-out-elsewhere$/,
    demands: ['own session'],
    may: ['other session ended'],
    leaves: 'no other session',
    always: true,
  },
  {
    to: /^\/account\/sessions\/[^/]+\/end$/,
    demands: ['own session'],
    may: ['named session ended'],
  },
  // Another account signs in while one is signed in.
  { to: /^\/logout\/confirm$/, demands: [], may: ['own session ended'] },
]
