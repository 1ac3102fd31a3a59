import { proofAlgorithms } from './dpop.ts'
import type { TokenRefused } from './faults.ts'
import type { VerifierOptions } from './options.ts'
import type { Policy } from './policy.ts'

const statusOf: Partial<Record<TokenRefused['code'], number>> = {
  invalid_request: 400,
  insufficient_scope: 403,
}

export interface Challenge {
  status: number
  /** Values of `WWW-Authenticate`, one for each accepted scheme. */
  challenges: string[]
}

/**
 * The status and challenges of a refusal (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1). A request without a
 * token gets no error code, only where to get a token. The error is part of the challenge whose scheme was used.
 */
export function challengeOf(
  refused: TokenRefused | undefined,
  scheme: 'Bearer' | 'DPoP' | undefined,
  policy: Policy,
  options: VerifierOptions,
  metadataUrl: string | undefined,
): Challenge {
  const { realm, dpop } = options
  const common: [string, string | undefined][] = [
    ['realm', realm],
    ['resource_metadata', metadataUrl],
  ]
  const error: [string, string | undefined][] = refused
    ? [
        ['error', refused.code],
        ['error_description', refused.message],
        ...detailOf(refused, policy),
      ]
    : []
  const schemes = [...(dpop?.required ? [] : ['Bearer']), ...(dpop ? ['DPoP'] : [])]
  const tried = schemes.includes(scheme ?? '') ? scheme : schemes[0]
  return {
    status: (refused && statusOf[refused.code]) ?? 401,
    challenges: schemes.map((each) => {
      const [first, ...rest] = common
      const words = [
        ...(first ? [first] : []),
        ...(each === tried ? error : []),
        ...rest,
        ...(each === 'DPoP'
          ? [['algs', (dpop?.algorithms ?? proofAlgorithms).join(' ')] as [string, string]]
          : []),
      ]
      return [each, words.flatMap(([name, value]) => quoted(name, value)).join(', ')]
        .filter(Boolean)
        .join(' ')
    }),
  }
}

function detailOf(
  { code }: TokenRefused,
  { scopes, stepUp }: Policy,
): [string, string | undefined][] {
  if (code === 'insufficient_scope') return [['scope', scopes?.join(' ')]]
  if (code !== 'insufficient_user_authentication') return []
  return [
    ['acr_values', stepUp?.acrValues?.join(' ')],
    ['max_age', stepUp?.maxAge?.toString()],
  ]
}

/** RFC 6750 §3: ASCII, without quotes and backslashes. */
function quoted(name: string, value: string | undefined): string[] {
  if (value === undefined) return []
  return [`${name}="${value.replaceAll('"', "'").replaceAll(/[^\x20-\x5B\x5D-\x7E]/g, '?')}"`]
}
