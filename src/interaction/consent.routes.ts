import type Router from '@koa/router'
import type { Context } from 'koa'
import { checkedMetadata, logoOf } from '../clients/client.ts'
import { hostnameOf, isLoopbackHost, receiverOf } from '../clients/redirect-uri.ts'
import { DomainError } from '../errors.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { requestIdOf } from '../http/request.ts'
import { markOf, unvouched } from '../oidc/consent.ts'
import type { Interaction } from '../oidc/interactions.ts'
import { present } from '../present.ts'
import { describeAccess } from './access.ts'
import { type ConsentView, consentPage } from './pages/consent.ts'
import type { Messages } from './pages/messages.ts'
import type { PageParts } from './parts.ts'
import { interactionAddress, posted } from './posted.ts'

/** Asks a person for consent (OpenID Connect Core §3.1.2.4) and stores the answer. */
export function consentRoutes(router: Router, parts: PageParts) {
  const { interactions, csrf, log } = parts
  const at = interactionAddress(parts.basePath)

  router.post('/interaction/:uid/consent', async (ctx) => {
    const { interaction, form } = await posted(parts, ctx, 'consent')
    const allowed = form['decision'] === 'allow'
    log.info(
      {
        request_id: requestIdOf(ctx),
        account: interaction.accountId,
        client_id: interaction.clientId,
        allowed,
      },
      'consent',
    )
    const next = allowed
      ? interactions.finishConsent(ctx, interaction, form['shown'])
      : interactions.deny(ctx, interaction)
    seeOther(ctx, (await next) ?? at(interaction.uid))
  })

  // The client is taken from the interaction, so that nobody can make this server fetch images of their choice.
  router.get('/interaction/:uid/logo', async (ctx) => {
    const { clientId } = await interactions.find(ctx, ctx.params['uid'] as string)
    const client = await parts.clientDocuments.find(parts.tenant, clientId)
    await parts.showLogo(ctx, client && logoOf(client))
  })

  router.post('/interaction/:uid/abort', async (ctx) => {
    const { interaction } = await posted(parts, ctx)
    const denies = interaction.step === 'consent'
    seeOther(
      ctx,
      denies ? await interactions.deny(ctx, interaction) : await interactions.abort(ctx),
    )
  })

  return async function show(ctx: Context, interaction: Interaction): Promise<void> {
    const context = parts.pageContext(ctx)
    const { uid } = interaction
    showPage(
      ctx,
      consentPage(context, {
        action: at(uid, 'consent'),
        cancel: { action: at(uid, 'abort') },
        csrf: csrf.token(uid),
        ...(await describe(parts, interaction, context.messages, at(uid, 'logo'))),
      }),
    )
  }
}

/** What a client requests, in plain words, including what was allowed before. */
async function describe(
  parts: PageParts,
  { clientId, accountId = '', redirectUri, userCode, requested, missing }: Interaction,
  messages: Messages,
  logoUrl: string,
): Promise<Omit<ConsentView, 'action' | 'cancel' | 'csrf'>> {
  const { tenant, accounts, clientDocuments } = parts
  const [account, client] = await Promise.all([
    accounts.active(tenant, accountId),
    clientDocuments.find(tenant, clientId),
  ])
  const metadata = client && checkedMetadata(client).data
  const shown = unvouched(client, redirectUri)
  if (!account || !metadata) throw new DomainError('interaction_not_found')

  return {
    client: {
      name: metadata.client_name ?? clientId,
      clientId,
      ...(logoOf(client) === undefined ? {} : { logoUrl }),
      ...present({
        uri: metadata.client_uri,
        policyUri: metadata.policy_uri,
        tosUri: metadata.tos_uri,
      }),
    },
    ...(redirectUri === undefined ? {} : { redirectHost: receiverOf(redirectUri) }),
    ...present({ userCode }),
    unverified: client?.selfRegistered === true,
    ...(shown ? { shown: markOf(shown) } : {}),
    ...(client?.fromDocument ? { documentHost: receiverOf(clientId) } : {}),
    toLoopback: redirectUri !== undefined && isLoopbackHost(hostnameOf(redirectUri) ?? ''),
    account: { name: account.name ?? account.email, email: account.email },
    ...(await describeAccess(parts, requested, missing.openidClaims, messages)),
  }
}
