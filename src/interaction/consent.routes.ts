import type Router from '@koa/router'
import type { Context } from 'koa'
import type { Config } from '../../config/config.ts'
import type { Image } from '../../config/image.ts'
import type { Accounts } from '../accounts/accounts.ts'
import { checkedMetadata } from '../clients/client.ts'
import { isLoopbackHost, receiverOf } from '../clients/redirect-uri.ts'
import { DomainError } from '../errors.ts'
import { seeOther, showPage } from '../http/answer.ts'
import type { Csrf } from '../http/csrf.ts'
import { requestIdOf } from '../http/request.ts'
import type { Log } from '../log.ts'
import type { Interaction, Interactions } from '../oidc/interactions.ts'
import { present } from '../present.ts'
import type { ClientDocuments } from '../registration/documents.ts'
import type { ResourceServers } from '../resources/resource-servers.ts'
import { describeAccess } from './access.ts'
import { type ConsentView, consentPage } from './pages/consent.ts'
import type { PageContext } from './pages/layout.ts'
import type { Messages } from './pages/messages.ts'
import { interactionAddress, posted } from './posted.ts'

export interface ConsentParts {
  tenant: string
  basePath: string
  config: Config
  log: Log
  accounts: Accounts
  clientDocuments: ClientDocuments
  resources: ResourceServers
  interactions: Interactions
  csrf: Csrf
  pageContext(ctx: Context): PageContext
  clientLogo(uri: string): Promise<Image | undefined>
}

/** Asking a person what a client may do (OpenID Connect Core §3.1.2.4), and remembering the answer. */
export function consentRoutes(router: Router, parts: ConsentParts) {
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
    const next = allowed ? interactions.finishConsent : interactions.deny
    seeOther(ctx, await next(ctx, interaction))
  })

  // The interaction says whose picture it is, so that nobody has this server get pictures of their choice.
  router.get('/interaction/:uid/logo', async (ctx) => {
    const { clientId } = await interactions.find(ctx, ctx.params['uid'] as string)
    const client = await parts.clientDocuments.find(parts.tenant, clientId)
    const isVouchedFor = client !== undefined && !client.selfRegistered
    const uri = isVouchedFor ? checkedMetadata(client).data?.logo_uri : undefined
    const image = uri === undefined ? undefined : await parts.clientLogo(uri)
    if (!image) throw new DomainError('not_found', { detail: 'the client has no logo to show' })
    ctx.type = image.type
    ctx.body = image.body
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

/** Everything that was asked for, in plain words; also what was allowed before, so that the picture is whole. */
async function describe(
  parts: ConsentParts,
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
  if (!account || !metadata) throw new DomainError('interaction_not_found')

  return {
    client: {
      name: metadata.client_name ?? clientId,
      clientId,
      ...(metadata.logo_uri === undefined ? {} : { logoUrl }),
      ...present({
        uri: metadata.client_uri,
        policyUri: metadata.policy_uri,
        tosUri: metadata.tos_uri,
      }),
    },
    ...(redirectUri === undefined ? {} : { redirectHost: receiverOf(redirectUri) }),
    ...present({ userCode }),
    unverified: client?.selfRegistered === true,
    ...(client?.fromDocument ? { documentHost: receiverOf(clientId) } : {}),
    localhostOnly:
      redirectUri !== undefined &&
      metadata.redirect_uris.every((uri) => isLoopbackHost(URL.parse(uri)?.hostname ?? '')),
    account: { name: account.name ?? account.email, email: account.email },
    ...(await describeAccess(parts, requested, missing.openidClaims, messages)),
  }
}
