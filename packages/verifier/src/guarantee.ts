import type { VerifierOptions } from './options.ts'
import type { WholePolicy } from './policy.ts'

/** What a verifier guarantees about revoked tokens, in words and in figures. */
export interface Guarantee {
  sentence: string
  figures: {
    check: WholePolicy['check']
    /** Seconds until a revoked token is refused while the issuer can be reached; null: until it expires. */
    usually: number | null
    /** Seconds at most, even if nothing can be reached; null: until it expires. */
    atMost: number | null
    /** What happens to tokens when their revocation cannot be checked. */
    whenFeedUnreachable: 'refuse' | 'accept' | 'not asked'
    /** Seconds until tokens of a removed key are refused, while the issuer can be reached. */
    keysAtMost: number
    whenKeysUnreachable: 'refuse' | 'accept'
  }
}

/** Seconds from a revocation at the issuer to the refusal here, rounded up generously. */
const usual = { poll: 2, stream: 0.5 }

export function guaranteeOf(policy: WholePolicy, options: VerifierOptions): Guarantee {
  const { feed, jwks } = options
  const { maxAge = 300, whenUnreachable } = jwks
  const isAsked = policy.check === 'introspect'
  const usesFeed = feed !== undefined && policy.check !== 'offline'
  const usesShare = isAsked && policy.share < 1
  const tolerance = options.clockTolerance ?? 30
  const words: string[] = []

  let usually: number | null = null
  let atMost: number | null = null
  if (isAsked) {
    words.push(
      usesShare
        ? `The issuer is asked about ${policy.share * 100} % of requests, where a revoked token is refused at once; if it does not answer, they are refused (503).`
        : 'The issuer is asked about every request: a revoked token is refused at once; if it does not answer, every token is refused (503).',
    )
    if (!usesShare) [usually, atMost] = [0, 0]
  }
  if (usesFeed && (!isAsked || usesShare)) {
    const { mode, maxStaleness, whenStale, pollEvery = 1000 } = feed
    usually = mode === 'stream' ? usual.stream : Math.max(usual.poll, pollEvery / 1000 + 1)
    words.push(
      `${usesShare ? 'For the others a' : 'A'} revoked token is refused within ${usually} s (${mode}), with no request to the issuer. `,
    )
    if (whenStale === 'refuse') {
      atMost = maxStaleness + tolerance
      words.push(
        `After ${maxStaleness} s without news, every token is refused (503), so that a revoked one is never accepted for longer than that (plus the difference of the clocks, ${tolerance} s at most, if an attacker replays old copies).`,
      )
    } else {
      words.push(
        `After ${maxStaleness} s without news, tokens are still accepted: a token that is revoked in that time is valid until it expires.`,
      )
    }
  } else if (!isAsked || usesShare) {
    words.push('A revoked token is valid until it expires.')
  }
  words.push(
    `A key that the issuer removed is refused after ${maxAge} s at the latest. If the keys cannot be fetched for that long, ${
      whenUnreachable === 'refuse'
        ? 'every token is refused (503).'
        : 'the last known keys are still trusted; without any, every token is refused (503).'
    }`,
  )
  return {
    sentence: words.map((each) => each.trim()).join(' '),
    figures: {
      check: policy.check,
      usually,
      atMost,
      whenFeedUnreachable: usesFeed ? feed.whenStale : 'not asked',
      keysAtMost: maxAge,
      whenKeysUnreachable: whenUnreachable,
    },
  }
}
