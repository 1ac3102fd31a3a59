import type { Context } from 'koa'
import type Provider from 'oidc-provider'
import { errors, type InteractionResults } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import { networkOf } from '../attempts/network.ts'
import { DomainError } from '../errors.ts'
import { present } from '../present.ts'
import { hashIn } from './adapters/short-lived.ts'
import { type Authentication, needsFactor } from './authentication-context.ts'
import type { IssuerContext } from './capabilities.ts'
import { auditedConsent, type Consent, markOf, rememberConsent, unvouched } from './consent.ts'
import { createDeviceCodes } from './device-codes.ts'
import { demandOf, unmet } from './interaction-policy.ts'
import { scopeSet } from './scopes.ts'
import { createSignInMarks } from './sign-in-marks.ts'
import { rememberLocales } from './ui-locales.ts'
import { writtenUserCode } from './user-code.ts'

/** A step that an authorization request waits for, without the engine's types. */
export interface Interaction {
  uid: string
  step: 'login' | 'consent'
  /** Whether the client would like the person to make an account. */
  wantsNew?: true
  clientId: string
  /** Absent for a device: no redirect follows, but the device shows its `userCode`. */
  redirectUri?: string
  userCode?: string
  /** Everything that was asked for. */
  requested: { scopes: string[]; resources: string[] }
  /** What is not allowed yet. */
  missing: Consent
  loginHint?: string
  accountId?: string
  /** What happens to a sign-in with a password alone, where that does not suffice. */
  withoutFactor?: 'set_up' | 'refuse'
}

export interface Login extends Authentication {
  account: Account
  /** When the password was checked, in milliseconds; what ends the account's sessions later ends this sign-in, too. */
  verifiedAt: number
  /** When the last of what it takes was shown, in milliseconds: the `auth_time` (OpenID Connect Core §2). */
  signedInAt: number
}

export interface Interactions {
  /**
   * The interaction that this browser is in; its cookie decides, never the address alone (security class C6).
   * @throws DomainError `interaction_not_found`
   */
  find(ctx: Context, uid: string): Promise<Interaction>
  /** Like the others below, returns the path where the engine goes on. */
  finishLogin(ctx: Context, login: Login): Promise<string>
  /**
   * @param seen `markOf` what the page showed of a client that nobody vouches for
   * @returns undefined where the client has changed since: nothing is stored, and the page must be shown again
   */
  finishConsent(ctx: Context, interaction: Interaction, seen?: string): Promise<string | undefined>
  /** The person said no: the client gets `access_denied` (RFC 6749 §4.1.2.1). */
  deny(ctx: Context, interaction: Interaction): Promise<string>
  abort(ctx: Context): Promise<string>
  /** The person has no second factor, but the client insists on one: `unmet_authentication_requirements`. */
  refuseWeak(ctx: Context): Promise<string>
}

export function createInteractions(provider: Provider, context: IssuerContext): Interactions {
  const codes = createDeviceCodes(context)
  const marks = createSignInMarks(context)
  const { tenant, clientDocuments } = context

  /** Before another step than the login, the engine has not evaluated the reasons of the login yet. */
  async function demand(prompt: { name: string; reasons: string[] }, clientId: string) {
    const demanded = demandOf(prompt.reasons)
    if (demanded !== undefined || !['create', 'select_account'].includes(prompt.name))
      return demanded
    const { metadata } = (await clientDocuments.find(tenant, clientId)) ?? {}
    return (await needsFactor(context, metadata as object | undefined)) ? 'set_up' : undefined
  }

  /** The engine's interaction of each request, looked up once. */
  const found = new WeakMap<Context, Awaited<ReturnType<Provider['interactionDetails']>>>()

  async function details(ctx: Context) {
    const interaction =
      found.get(ctx) ?? (await provider.interactionDetails(ctx.req, ctx.res).catch(ifThereIsNone))
    found.set(ctx, interaction)
    return interaction
  }

  /**
   * The engine's `interactionResult`, without a second look-up: an interaction that ended in between stays ended, as it
   * is only overwritten (adapters/interaction.ts).
   */
  async function finish(ctx: Context, result: InteractionResults): Promise<string> {
    const interaction = await details(ctx)
    interaction.result = 'error' in result ? result : { ...interaction.lastSubmission, ...result }
    await interaction.persist().catch(ifThereIsNone)
    // The engine's is the issuer's absolute address; our own pages redirect within the host (architecture §10).
    return new URL(interaction.returnTo).pathname
  }

  const abort = (ctx: Context) =>
    finish(ctx, { error: 'access_denied', error_description: 'End-User aborted interaction' })

  return {
    async find(ctx, uid) {
      const interaction = await details(ctx)
      const { prompt, params, session, deviceCode } = interaction
      rememberLocales(ctx, params['ui_locales'])
      if (interaction.uid !== uid) {
        throw new DomainError('interaction_not_found', {
          detail: 'the cookie and the URL belong to different interactions',
        })
      }
      const clientId = params['client_id'] as string
      await clientDocuments.settle(tenant, clientId, { network: networkOf(ctx.ip) })
      const missing = prompt.details as {
        missingOIDCScope?: string[]
        missingOIDCClaims?: string[]
        missingResourceScopes?: Record<string, string[]>
      }
      const text = (name: string) => params[name] as string | undefined
      const withoutFactor = await demand(prompt, clientId)
      const loginHint = text('login_hint')
      const redirectUri = text('redirect_uri')
      const userCode = deviceCode && (await codes.find(hashIn(deviceCode)))?.userCode
      return {
        uid,
        // Choosing another account means signing in with it.
        step: prompt.name === 'consent' ? 'consent' : 'login',
        ...(prompt.name === 'create' ? { wantsNew: true as const } : {}),
        clientId,
        ...present({ redirectUri }),
        ...(userCode === undefined ? {} : { userCode: writtenUserCode(userCode) }),
        ...present({ withoutFactor }),
        requested: {
          scopes: [...scopeSet(params['scope'])],
          resources: [params['resource'] ?? []].flat() as string[],
        },
        missing: {
          openidScopes: missing.missingOIDCScope ?? [],
          openidClaims: missing.missingOIDCClaims ?? [],
          resources: missing.missingResourceScopes ?? {},
        },
        ...present({ loginHint, accountId: session?.accountId }),
      }
    },
    async finishLogin(ctx, { account, verifiedAt, signedInAt, ...authentication }) {
      marks.give(ctx, (await details(ctx)).uid, account.id)
      return finish(ctx, {
        login: {
          accountId: account.id,
          ...authentication,
          remember: true,
          verifiedAt,
          // The time of the sign-in itself: the browser may go on much later.
          ts: Math.floor(signedInAt / 1000),
        },
        select_account: {},
        // Signing in to an existing account also fulfils `prompt=create`.
        create: {},
      })
    },
    async finishConsent(ctx, { accountId, clientId, redirectUri, missing }, seen) {
      if (accountId === undefined) throw new DomainError('interaction_not_found')
      const shown = unvouched(await clientDocuments.find(tenant, clientId), redirectUri)
      if (shown && markOf(shown) !== seen) return undefined
      const whose = { accountId, clientId }
      const grantId = await rememberConsent(context, provider, whose, missing, shown)
      if (grantId === undefined) {
        throw new DomainError('interaction_not_found', { detail: 'the user signed out meanwhile' })
      }
      return finish(ctx, { consent: { grantId } })
    },
    refuseWeak: (ctx) => finish(ctx, unmet),
    async deny(ctx, { accountId, clientId, missing }) {
      const detail = auditedConsent(missing)
      const event = { type: 'consent.denied', accountId, clientId, detail } as const
      await context.audit.record(context.tenant, event)
      return abort(ctx)
    },
    abort,
  }
}

function ifThereIsNone(cause: unknown): never {
  if (!(cause instanceof errors.SessionNotFound)) throw cause
  throw new DomainError('interaction_not_found', {
    detail: cause.error_description ?? cause.message,
    cause,
  })
}
