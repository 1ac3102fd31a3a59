import { decodeProtectedHeader } from 'jose'
import type { Context, Middleware } from 'koa'
import type { KoaContextWithOIDC } from 'oidc-provider'
import type { ReplayableAnswer } from '../families/replay.ts'
import { currentOrigin } from '../origin.ts'
import { hashOf } from '../secrets/handle.ts'
import type { IssuerContext } from './capabilities.ts'
import { keptAnswer } from './kept-answer.ts'
import { refreshPolicy } from './refresh-policy.ts'
import { routes } from './routes.ts'
import { beginTokenRequest, type TokenRequest } from './token-request.ts'

type Body = Record<string, unknown>

/**
 * Makes each token request one unit of work. It is committed only if the answer is 200, else rolled back; what a
 * refusal must leave behind is committed separately (architecture §6). Koa writes the body after the middleware has
 * resolved, so that a client never sees an answer that is not stored.
 */
export function tokenTransaction(context: IssuerContext): Middleware {
  return async (ctx, next) => {
    if (ctx.path !== routes.token || ctx.method !== 'POST') return next()
    await context.database.unit(async (unit) => {
      const request = beginTokenRequest(ctx, unit)
      await next()
      if (ctx.status !== 200) return false
      const body = ctx.body as Body
      // The engine answers '' when no scope is left; `scope` must name at least one (RFC 6749 §3.3).
      if (body['scope'] === '') delete body['scope']
      if (request.replay) await replay(context, ctx, request)
      else if (request.rotating) unit.commitWith(() => rotate(context, ctx, request))
      else if (request.presented) await prolong(context, ctx, request.presented)
      else if (request.held) unit.commitWith(() => issue(context, ctx, request))
      else tellMachineToken(context, machineTokenOf(ctx))
      return true
    })
    const { params } = (ctx as KoaContextWithOIDC).oidc ?? {}
    if (ctx.status === 200) countIssued(context, String(params?.['grant_type']))
  }
}

/** The parameters and keys that the answer depends on. */
function askedOf(ctx: Context): ReplayableAnswer['asked'] {
  const { params, entities } = (ctx as KoaContextWithOIDC).oidc
  return {
    scope: params?.['scope'],
    resource: params?.['resource'],
    jkt: entities.AccessToken?.jkt,
    'x5t#S256': entities.AccessToken?.['x5t#S256'],
  }
}

/**
 * Records a redeemed grant and starts its family, if any, in one final statement. A refresh is recorded in the time
 * line of its family instead.
 */
async function issue(
  { tenant, families }: IssuerContext,
  ctx: Context,
  { familyId, allowedAt, starting }: TokenRequest,
): Promise<boolean> {
  const { params, client, entities, account } = (ctx as KoaContextWithOIDC).oidc
  const { scope, aud } = entities.AccessToken ?? {}
  const event = issuedEvent(String(params?.['grant_type']), {
    accountId: account?.accountId ?? entities.AccessToken?.accountId,
    clientId: client?.clientId,
    familyId,
    scope,
    resource: aud === undefined ? undefined : [aud].flat(),
  })
  const about = { allowedAt, events: [event] }
  const isDone = starting
    ? await families.start(starting.family, starting.token, about)
    : await families.tell(tenant, client?.clientId, about)
  if (isDone) return true
  // The client was disabled and enabled again while this waited: what was allowed before is void.
  return refuse(ctx)
}

/** The audit event of tokens that involve a person, when they are first issued. */
export function issuedEvent(
  grantType: string,
  {
    scope,
    resource,
    ...whose
  }: {
    accountId: string | undefined
    clientId: string | undefined
    familyId: string | undefined
    scope: string | undefined
    resource: string[] | undefined
  },
) {
  // The engine says '' for none.
  const detail = { grant_type: grantType, scope: scope || undefined, resource }
  return { type: 'token.issued' as const, ...whose, detail }
}

/** A machine's token is only counted and logged: there are too many for rows. */
function machineTokenOf(ctx: Context) {
  const { client, entities } = (ctx as KoaContextWithOIDC).oidc
  const { scope, aud } = entities.ClientCredentials ?? {}
  const resource = aud === undefined ? undefined : [aud].flat()
  return { clientId: client?.clientId, scope, resource }
}

/** Counts and logs the token of a machine. */
export function tellMachineToken(
  { tenant, counters, log }: IssuerContext,
  token: {
    clientId: string | undefined
    scope: string | undefined
    resource: string[] | undefined
  },
): void {
  counters.count('machine_token_issued')
  const { requestId } = currentOrigin()
  const { clientId, scope, resource } = token
  log.info({ request_id: requestId, tenant, client_id: clientId, scope, resource }, 'machine token')
}

/** Counts an answered token request. @param grantType one of a few, as it was accepted */
export function countIssued({ metrics }: IssuerContext, grantType: string): void {
  metrics.count('keyturn_tokens_issued_total', { grant_type: grantType })
}

/** Consumes the presented token, stores its successor and keeps the sealed answer: one statement, the last one. */
async function rotate(context: IssuerContext, ctx: Context, request: TokenRequest) {
  const { tenant, families } = context
  const { presented, successor } = request.rotating as Required<
    NonNullable<TokenRequest['rotating']>
  >
  const { client } = (ctx as KoaContextWithOIDC).oidc
  const kept = { body: ctx.body as Body, asked: askedOf(ctx) }
  const answer = keptAnswer(context, client, presented, kept)
  if (await families.rotate(tenant, hashOf(presented), successor, answer)) return true
  // The lock on the family makes this impossible; if it ever happens, nothing was issued.
  return refuse(ctx)
}

/** Refuses by RFC 6749 §5.2 at the last moment: nothing that was made is stored, and the unit counts as refused. */
function refuse(ctx: Context): false {
  ctx.status = 400
  ctx.body = { error: 'invalid_grant', error_description: 'grant request is invalid' }
  return false
}

/**
 * Extends a token without rotation from its use on, like one that is replaced, up to its absolute end. Changes of less
 * than a hundredth of the idle lifetime are skipped, so that a client that refreshes every minute does not write every
 * minute.
 */
async function prolong(
  { tenant, families, config, clock }: IssuerContext,
  ctx: Context,
  { hash, startedAt, exp }: NonNullable<TokenRequest['presented']>,
) {
  const { idleTtl, absoluteTtl } = refreshPolicy(config, (ctx as KoaContextWithOIDC).oidc.client)
  const until = Math.min(clock.seconds() + idleTtl, startedAt + absoluteTtl)
  if (until - exp > idleTtl / 100) await families.prolong(tenant, hash, until * 1000)
}

/**
 * Whether the keys that signed an answer are still published: nobody could verify the signature of a revoked one.
 * Opaque and encrypted tokens are not checked.
 */
function isVerifiable({ tenant, signing }: IssuerContext, { access_token, id_token }: Body) {
  const kids = new Set(signing.known(tenant)?.published.map(({ kid }) => kid))
  const isSigned = (token: unknown) => typeof token === 'string' && token.split('.').length === 3
  const signed = [access_token, id_token].filter(isSigned) as string[]
  return signed.every((token) => kids.has(decodeProtectedHeader(token).kid ?? ''))
}

/**
 * Answers with the same tokens again, and what is left of their life. A different request gets a new access token with
 * the same successor; so does one whose answer has expired, or was signed by a revoked key.
 */
async function replay(context: IssuerContext, ctx: Context, request: TokenRequest) {
  const { tenant, families, clock } = context
  const { answer, hash } = request.replay as NonNullable<TokenRequest['replay']>
  const left = Math.floor((answer.expiresAt - clock.now()) / 1000)
  const same = JSON.stringify(askedOf(ctx)) === JSON.stringify(answer.asked)
  ctx.body =
    same && left > 0 && isVerifiable(context, answer.body)
      ? { ...answer.body, expires_in: left }
      : { ...(ctx.body as Body), refresh_token: answer.body['refresh_token'] }
  await families.replayed(tenant, request.familyId as string, hash, request.presenter)
}
