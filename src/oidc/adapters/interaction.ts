import { isDeepStrictEqual } from 'node:util'
import Provider, {
  type Adapter,
  type AdapterPayload,
  errors,
  type ResponseType,
} from 'oidc-provider'
import type { IssuerContext } from '../capabilities.ts'
import { createSignInMarks } from '../sign-in-marks.ts'
import { byHash, shortLivedAdapter, storedPayloads } from './short-lived.ts'

/** The routes that resume an authorization: the engine reads its interaction once, and then destroys it. */
const resumptions: ReadonlySet<string | undefined> = new Set(['resume', 'device_resume'])

/**
 * Interactions: authorizations that wait for a user. They exist or not; none is marked as used.
 *
 * | event                                                    | in the store                                        |
 * |----------------------------------------------------------|-----------------------------------------------------|
 * | a step begins                                            | put                                                 |
 * | a page or a form of the step                             | get                                                 |
 * | the user has decided                                     | overwritten if it exists; otherwise it stays over   |
 * | the authorization resumes                                | taken: of two concurrent requests, one resumes it   |
 * | its client may no longer ask for this                    | taken, and refused here: nothing is sent there      |
 * | it resumes in another browser than the user signed in    | taken, and over                                     |
 * | another user is signed in by then, and is signed out     | put back, and taken again                           |
 */
export function interactionAdapter(context: IssuerContext): Adapter {
  const base = shortLivedAdapter('Interaction', context)
  const stored = storedPayloads('Interaction', context)
  const marks = createSignInMarks(context)

  /** The interaction that each request has taken. */
  const taken = new WeakMap<object, string>()

  return {
    ...base,
    async find(id) {
      const { ctx } = Provider
      if (!ctx || !resumptions.has(ctx.oidc?.route)) return base.find(id)
      if (id.startsWith(byHash)) return undefined
      taken.set(ctx, id)
      const payload = await stored.take(id)
      const accountId = payload && signedInBy(payload)
      if (accountId !== undefined && !marks.isHere(ctx, id, accountId)) return undefined
      if (payload) await assertStillAllowed(ctx.oidc.provider, payload)
      const waits = payload && waitsForSignOut(payload, ctx.oidc.session)
      // An interaction that began in that session the engine puts back itself.
      if (waits && payload.session?.uid === undefined) {
        const left = (payload.exp ?? 0) - Math.floor(context.clock.now() / 1000)
        await stored.put(id, payload, Math.max(1, left))
      }
      if (accountId !== undefined && !waits) marks.end(ctx, id)
      return payload
    },
    async upsert(id, payload, expiresIn = 0) {
      const isBack = Provider.ctx !== undefined && taken.get(Provider.ctx) === id
      if (payload.result === undefined || isBack) return base.upsert(id, payload, expiresIn)
      if (await stored.replace(id, payload, expiresIn)) return
      throw new errors.SessionNotFound('interaction session not found')
    },
    async destroy(id) {
      if (Provider.ctx && taken.get(Provider.ctx) === id) return
      await base.destroy(id)
    },
  }
}

/**
 * The account that signed in in this interaction. A later interaction also carries the login, but belongs to the
 * resulting session.
 */
function signedInBy({ result, lastSubmission: before }: AdapterPayload): string | undefined {
  return isDeepStrictEqual(result?.login, before?.login) ? undefined : result?.login?.accountId
}

/**
 * Repeats checks that the engine makes only when a request arrives, so that a change of the client applies at once.
 * @throws InvalidRedirectUri, UnauthorizedClient
 */
async function assertStillAllowed(provider: Provider, { params }: AdapterPayload): Promise<void> {
  const { client_id, redirect_uri, response_type } = (params ?? {}) as {
    client_id?: string
    redirect_uri?: string
    response_type?: ResponseType
  }
  const client = client_id === undefined ? undefined : await provider.Client.find(client_id)
  if (!client || redirect_uri === undefined) return
  if (!client.redirectUriAllowed(redirect_uri)) throw new errors.InvalidRedirectUri()
  if (response_type !== undefined && !client.responseTypeAllowed(response_type)) {
    throw new errors.UnauthorizedClient('requested response_type is not allowed for this client')
  }
}

/** Whether the engine first signs out another person, and then comes back for the interaction. */
const waitsForSignOut = (
  { result }: AdapterPayload,
  session: { accountId?: string | undefined } | undefined,
): boolean =>
  result?.login !== undefined &&
  session?.accountId !== undefined &&
  session.accountId !== result.login.accountId
