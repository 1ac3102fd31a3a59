import { hash } from 'node:crypto'
import type { AdapterPayload } from 'oidc-provider'
import { bindsTokens } from '../clients/binds-tokens.ts'
import { familyStartedBy } from '../families/family.ts'
import type { Presenter } from '../families/replay.ts'
import { equalInConstantTime, hashOf } from '../secrets/handle.ts'
import { isNothingWritten } from '../storage/violations.ts'
import { byHash, storedPayloads } from './adapters/short-lived.ts'
import type { IssuerContext } from './capabilities.ts'
import { refreshTokenTtl } from './lifetimes.ts'
import { isBound, standingOf, tokenAnswer } from './plain-grant.ts'
import type { PlainTokens } from './plain-tokens.ts'
import { createRedemption } from './redemption.ts'
import { refreshPolicy } from './refresh-policy.ts'
import type { SecretClient } from './secret-clients.ts'
import { countIssued, issuedEvent } from './token-endpoint.ts'

const grantType = 'authorization_code'

/** RFC 7636 §4.1. */
const verifierSyntax = /^[\w.~-]{43,128}$/

interface Presented {
  code: string
  redirectUri: string
  verifier: string
}

/** A code as it is stored. */
type Code = AdapterPayload & { allowedFrom?: Presenter }

/**
 * Exchanges a code of an authenticated client.
 * @returns the answer; undefined when the engine must answer, and nothing was written
 */
export type PlainCode = (
  presented: Presented,
  caller: SecretClient,
  issuedTo: Presenter,
) => Promise<object | undefined>

/**
 * The plainest exchange of a code (RFC 6749 §4.1.3) with PKCE (RFC 7636): an unused code whose session, grant and account
 * are alive, for a JWT access token. Two statements, as on the full path: the first claims the code and locks what it
 * depends on, the last starts the family, records it, and commits. In any other case the transaction is rolled back and
 * the request is handed to the engine.
 */
export function plainCode(context: IssuerContext, tokens: PlainTokens): PlainCode {
  const { tenant, clock, config, database, families } = context
  const payloads = storedPayloads('AuthorizationCode', context)
  const redemption = createRedemption('AuthorizationCode', context, config.authorizationCodeTtl)

  function isPlainClient({ metadata, engine }: SecretClient): boolean {
    // Encrypted ID tokens are left to the engine.
    const isEncrypted = metadata.id_token_encrypted_response_alg !== undefined
    return !bindsTokens(metadata) && !isEncrypted && engine.grantTypeAllowed(grantType)
  }

  /** Whether the stored code by itself permits this exchange. */
  function fits(code: Code, { redirectUri, verifier }: Presented, clientId: string): boolean {
    const { codeChallenge = '', codeChallengeMethod, iat = Infinity, exp = 0, claims } = code
    const now = clock.seconds()
    if (code.clientId !== clientId || exp <= now || iat > now || isBound(code)) return false
    if (code.redirectUri !== redirectUri || Object.keys(claims ?? {}).length > 0) return false
    if (codeChallengeMethod !== 'S256' || !verifierSyntax.test(verifier)) return false
    if (!equalInConstantTime(codeChallenge, hash('sha256', verifier, 'base64url'))) return false
    return !redemption.isDenied(code, iat)
  }

  /** Claims the code if its session, grant and account allow the exchange. */
  async function claimed(id: string, code: Code, { engine }: SecretClient) {
    const { accountId, grantId, expiresWithSession } = code
    const { stands, isFirst, account, grant, session } = await redemption.take(id, code)
    if (!stands || !isFirst) return undefined
    const isOfSession = session?.accountId === accountId && session?.grantId === grantId
    if (expiresWithSession === true && !isOfSession) return undefined
    return standingOf(context, 'AuthorizationCode', code, { grant, account }, engine)
  }

  /** The first token of a family, as the engine would store it. */
  function firstToken(code: Code, handle: string, ttl: number, issuedTo: Presenter) {
    const { accountId, acr, amr, authTime, claims, clientId, expiresWithSession } = code
    const { grantId, nonce, scope, sessionUid, sid } = code
    const { resource } = code as { resource?: unknown }
    const from = { accountId, acr, amr, authTime, claims, clientId, expiresWithSession, grantId }
    const iat = clock.seconds()
    const dates = { iat, exp: iat + ttl, iiat: iat }
    const kinds = { kind: 'RefreshToken', gty: grantType, rotations: 0 }
    const payload = { ...dates, ...kinds, ...from, nonce, resource, scope, sessionUid, sid }
    return { hash: hashOf(handle), payload, expiresAt: clock.now() + ttl * 1000, issuedTo }
  }

  return async (presented, caller, issuedTo) => {
    const { client, engine, metadata } = caller
    const { clientId } = client
    const id = presented.code
    if (!isPlainClient(caller) || id.startsWith(byHash)) return undefined
    const code: Code | undefined = await payloads.get(id)
    if (!code || !fits(code, presented, clientId)) return undefined
    const within = await tokens.targetOf(code, engine)
    if (!within) return undefined
    const familyId = familyStartedBy(hashOf(id))
    let answer: object | undefined
    let isDone = false
    const work = database.unit(async (unit) => {
      await unit.open()
      const found = await claimed(id, code, caller)
      if (!found) return false
      const target = within(found.grant)
      const { audience, scope } = target
      const accountId = found.account.id
      const [idToken, token] = await Promise.all([
        tokens.idToken(code, found, engine),
        tokens.sign(target, code, { metadata, accountId, familyId }),
      ])
      const handle = engine.grantTypeAllowed('refresh_token') && families.newToken(familyId)
      answer = tokenAnswer(target, { access: token, id: idToken, refresh: handle })
      const whose = { accountId, clientId, familyId }
      const event = issuedEvent(grantType, { ...whose, scope, resource: [audience] })
      unit.commitWith(async () => {
        const about = { allowedAt: code.iat, events: [event], orFail: true }
        if (handle) {
          const family = {
            tenant,
            id: familyId,
            grantId: found.grant.id,
            accountId,
            clientId,
            sessionUid: code.sessionUid,
            endsWithSession: code.expiresWithSession === true,
            expiresAt: clock.now() + refreshPolicy(config, engine).absoluteTtl * 1000,
            allowedFrom: code.allowedFrom ?? issuedTo,
          }
          const first = firstToken(code, handle, refreshTokenTtl(context, engine), issuedTo)
          isDone = await families.start(family, first, about)
        } else {
          isDone = await families.tell(tenant, clientId, about)
        }
        return isDone
      })
      return true
    })
    // The client was disabled and enabled again while this waited: the claim is rolled back as well.
    await work.catch((error: unknown) => {
      if (!isNothingWritten(error)) throw error
    })
    if (!isDone) return undefined
    countIssued(context, grantType)
    return answer
  }
}
