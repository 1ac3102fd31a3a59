import { compactVerify, errors as joseErrors } from 'jose'
import { type Client as EngineClient, errors, type KoaContextWithOIDC } from 'oidc-provider'
import { fapiAlgs } from '../clients/fapi.ts'
import type { Clock } from '../clock.ts'
import { longestLife, mostAhead } from './lifetimes.ts'

/**
 * The rules for `client_assertion` (RFC 7523 §3) beyond what the engine checks: signature, `iss` and `sub` are the
 * client, `exp` is in the future, `jti` is new.
 *
 * | claim | rule                                                                                          |
 * |-------|-----------------------------------------------------------------------------------------------|
 * | `aud` | only the issuer, as RFC 7523bis requires: an assertion for another server is not valid here    |
 * |       | clients with `client_assertion_audience: token_endpoint`: also what RFC 7523 §3 allows         |
 * |       | clients of FAPI 2.0: as a string, not a list; and with an algorithm of that profile             |
 * | `exp` | at most an hour ahead                                                                         |
 * | `iat` | at most a minute ahead                                                                        |
 *
 * `b64: false` is refused (RFC 7797 §7): the engine reads only an encoded payload.
 */
export function clientAssertionRules(clock: Clock) {
  return async (
    ctx: KoaContextWithOIDC,
    { aud, exp, iat }: Record<string, unknown>,
    { alg, b64 }: Record<string, unknown>,
    client: EngineClient,
  ): Promise<void> => {
    const now = clock.seconds()
    const isFapi = client['fapi'] !== undefined
    const named = !isFapi && Array.isArray(aud) && aud.length === 1 ? aud[0] : aud
    if (named !== ctx.oidc.issuer && client['client_assertion_audience'] !== 'token_endpoint') {
      throw new errors.InvalidClientAuth(
        `aud of the client assertion must be only ${ctx.oidc.issuer}, it is ${JSON.stringify(aud)}`,
      )
    }
    if (b64 === false) {
      throw new errors.InvalidClientAuth('b64 of the client assertion must not be false')
    }
    if (isFapi && !fapiAlgs.includes(alg as string)) {
      throw new errors.InvalidClientAuth(
        `alg of the client assertion must be one of ${fapiAlgs.join(', ')} (FAPI 2.0), it is ${String(alg)}`,
      )
    }
    if ((exp as number) > now + longestLife + mostAhead) {
      throw new errors.InvalidClientAuth(
        `exp of the client assertion must be at most ${longestLife} seconds ahead, it is ${(exp as number) - now}`,
      )
    }
    if (iat !== undefined && (iat as number) > now + mostAhead) {
      throw new errors.InvalidClientAuth(
        `iat of the client assertion must be at most ${mostAhead} seconds ahead, it is ${(iat as number) - now}`,
      )
    }
  }
}

/**
 * The engine knows one secret of a client. While an old and a new one overlap, it gets the one that signed the
 * assertion, else the newest.
 * @param secrets newest first
 */
export async function secretBehind(
  assertion: unknown,
  secrets: string[],
): Promise<string | undefined> {
  const [newest, ...older] = secrets
  if (typeof assertion !== 'string' || older.length === 0) return newest
  for (const secret of secrets) {
    try {
      await compactVerify(assertion, Buffer.from(secret))
      return secret
    } catch (error) {
      if (!(error instanceof joseErrors.JOSEError || error instanceof TypeError)) throw error
    }
  }
  return newest
}
