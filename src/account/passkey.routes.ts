import type Router from '@koa/router'
import type { Context } from 'koa'
import { showPage } from '../http/answer.ts'
import { endOthers } from '../interaction/pages/factors.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import { type NewPasskeyView, newPasskeyPage } from '../interaction/pages/passkey.ts'
import type { PageParts } from '../interaction/parts.ts'
import type { SignedIn } from '../oidc/browser-session.ts'
import { type Desk, ownerAt } from './desk.ts'

const root = '/account/factors'
const path = `${root}/passkey`

export const passkeyMethods = { [path]: ['GET', 'HEAD', 'POST'] }

/** What the pages of all second factors share. */
interface FactorPages {
  endOthers(ctx: Context, owner: SignedIn, wanted: string | undefined): Promise<void>
  showCodes(ctx: Context, codes: readonly string[], next: string): void
  toList(ctx: Context): void
}

/** Adding a passkey: the challenge is valid for this session and account, for ten minutes, once. */
export function passkeyRoutes(
  router: Router,
  { tenant, csrf, factors, pageContext }: PageParts,
  desk: Desk,
  pages: FactorPages,
): void {
  const bindingOf = ({ account, uid }: SignedIn) => `factors ${uid} ${account.id}`

  async function show(
    ctx: Context,
    owner: SignedIn,
    again: Pick<NewPasskeyView, 'error' | 'name'> = {},
  ): Promise<void> {
    const page = pageContext(ctx)
    showPage(
      ctx,
      newPasskeyPage(page, {
        action: ownAddress(page, path),
        csrf: csrf.token(owner.uid),
        options: await factors.passkeyOptions(tenant, owner.account, bindingOf(owner)),
        others: endOthers('end_others', page.messages.factors.endOthers),
        back: { href: ownAddress(page, root) },
        ...again,
      }),
      again.error === undefined ? 200 : 400,
    )
  }

  router.get(path, async (ctx) => {
    const found = await desk.owner(ctx, 'factors', true)
    if (!found) return
    if (factors.passkeys.isPossible) await show(ctx, found)
    else pages.toList(ctx)
  })

  router.post(path, async (ctx) => {
    const sent = await desk.posted(ctx, 'factors', true)
    if (!sent) return
    const { owner: found, form } = sent
    const { credential = '', name = '' } = form
    const made = {
      binding: bindingOf(found),
      credential,
      name,
      onlyFirst: !found.withSecondFactor,
    }
    const added = await factors.addPasskey(tenant, found.account.id, made, ownerAt(ctx))
    if (added === 'wrong' || added === 'known') {
      return show(ctx, found, { error: added, name })
    }
    if (typeof added === 'string') return pages.toList(ctx)
    await pages.endOthers(ctx, found, form['end_others'])
    if (added.recoveryCodes) pages.showCodes(ctx, added.recoveryCodes, '/account')
    else pages.toList(ctx)
  })
}
