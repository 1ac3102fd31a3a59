import type Router from '@koa/router'
import type { Context } from 'koa'
import { identifierKey, isShowable, looksLikeAnother } from '../accounts/account.ts'
import { isDomainError } from '../errors.ts'
import { type ProfileFault, profilePage } from '../interaction/pages/account-profile.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import type { PageParts } from '../interaction/parts.ts'
import { noticeTo } from '../mail/mail.ts'
import type { SignedIn } from '../oidc/browser-session.ts'
import type { Desk } from './desk.ts'

export const profileMethods = { '/account/profile': ['GET', 'HEAD', 'POST'] }

/** Changes per hour: each reveals whether a user name is taken, and is recorded. */
const budget = { kind: 'username', limit: 20, window: 3600 }

const statuses: Record<ProfileFault, number> = {
  taken: 409,
  at_sign: 400,
  name_invalid: 400,
  username_invalid: 400,
  too_many: 429,
}

/** Name and user name. The database ensures that user names are unique. */
export function profileRoutes(router: Router, parts: PageParts, desk: Desk) {
  const { tenant, database, accounts, attempts, audit, mail, pageContext } = parts

  function show(
    ctx: Context,
    owner: SignedIn,
    said: { name: string; username: string },
    error?: ProfileFault,
  ) {
    const page = pageContext(ctx)
    const action = ownAddress(page, '/account/profile')
    const view = { ...desk.frame(ctx, owner), action, ...said, ...(error ? { error } : {}) }
    if (error === 'too_many') ctx.set('Retry-After', String(budget.window))
    desk.show(ctx, profilePage(page, view), error && statuses[error])
  }

  router.get('/account/profile', async (ctx) => {
    const owner = await desk.owner(ctx, 'profile')
    if (!owner) return
    const { name = '', username = '' } = owner.account
    show(ctx, owner, { name, username })
  })

  router.post('/account/profile', async (ctx) => {
    const sent = await desk.posted(ctx, 'profile')
    if (!sent) return
    const { owner, form, actor } = sent
    const { account } = owner
    const said = { name: (form['name'] ?? '').trim(), username: (form['username'] ?? '').trim() }
    const fault = faultIn(said, account.username)
    if (fault) return show(ctx, owner, said, fault)
    const isNews = said.name !== (account.name ?? '') || said.username !== (account.username ?? '')
    if (isNews && !(await attempts.take(tenant, [{ ...budget, subject: account.id }]))) {
      return show(ctx, owner, said, 'too_many')
    }
    try {
      await database.transaction(async () => {
        const changed = await accounts.rename(account, {
          ...(said.name === '' ? {} : { name: said.name }),
          ...(said.username === '' ? {} : { username: said.username }),
        })
        const { ip, userAgent, by } = actor
        const event = { type: 'account.profile_changed', accountId: account.id } as const
        if (changed) await audit.record(tenant, { ...event, ip, userAgent, detail: { by } })
        // The user name is used to sign in (ASVS 6.3.7).
        if (changed && said.username !== (account.username ?? '')) {
          const { locale: language } = pageContext(ctx).messages
          const about = { accountId: account.id, language, ...noticeTo(account, ip) }
          await mail.send(tenant, { kind: 'username_changed', ...about })
        }
      })
    } catch (error) {
      if (!isDomainError(error, 'account_exists')) throw error
      return show(ctx, owner, said, 'taken')
    }
    desk.goTo(ctx, 'profile', 'profile-changed')
  })
}

function faultIn(
  { name, username }: { name: string; username: string },
  known: string | undefined,
): ProfileFault | undefined {
  if (!isShowable(name)) return 'name_invalid'
  if (username === known) return undefined
  if (!isShowable(username) || looksLikeAnother(username)) return 'username_invalid'
  return identifierKey(username).includes('@') ? 'at_sign' : undefined
}
