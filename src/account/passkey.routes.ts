import type Router from '@koa/router'
import type { Context } from 'koa'
import { showPage } from '../http/answer.ts'
import { endOthers } from '../interaction/pages/factors.ts'
import { ownAddress } from '../interaction/pages/layout.ts'
import { type NewPasskeyView, newPasskeyPage } from '../interaction/pages/passkey.ts'
import type { PageParts } from '../interaction/parts.ts'
import type { SignedIn } from '../oidc/browser-session.ts'
import { ownerAt } from './desk.ts'

const root = '/account/factors'
const path = `${root}/passkey`

export const passkeyMethods = { [path]: ['GET', 'HEAD', 'POST'] }

/** What the page of second factors does for each of them; each asks for a fresh proof. */
interface FactorDesk {
  /** Names the session in a form, or in a challenge. */
  bindingOf(uid: string): string
  proven(ctx: Context): Promise<SignedIn | undefined>
  asked(ctx: Context): Promise<(SignedIn & { form: Record<string, string> }) | undefined>
  endOthers(ctx: Context, owner: SignedIn, wanted: string | undefined): Promise<void>
  showCodes(ctx: Context, codes: readonly string[], next: string): void
  toList(ctx: Context): void
}

/** Adding a passkey: its challenge is for this session, this account and ten minutes, and of use once. */
export function passkeyRoutes(router: Router, parts: PageParts, desk: FactorDesk): void {
  const { tenant, csrf, factors, pageContext } = parts

  async function show(
    ctx: Context,
    { account, uid }: SignedIn,
    again: Pick<NewPasskeyView, 'error' | 'name'> = {},
  ): Promise<void> {
    const page = pageContext(ctx)
    const binding = `${desk.bindingOf(uid)} ${account.id}`
    showPage(
      ctx,
      newPasskeyPage(page, {
        action: ownAddress(page, path),
        csrf: csrf.token(desk.bindingOf(uid)),
        options: await factors.passkeyOptions(tenant, account, binding),
        others: endOthers('end_others', page.messages.factors.endOthers),
        back: { href: ownAddress(page, root) },
        ...again,
      }),
      again.error === undefined ? 200 : 400,
    )
  }

  router.get(path, async (ctx) => {
    const found = await desk.proven(ctx)
    if (!found) return
    if (factors.passkeys.isPossible) await show(ctx, found)
    else desk.toList(ctx)
  })

  router.post(path, async (ctx) => {
    const found = await desk.asked(ctx)
    if (!found) return
    const { account, uid, form } = found
    const { credential = '', name = '' } = form
    const made = {
      binding: `${desk.bindingOf(uid)} ${account.id}`,
      credential,
      name,
      onlyFirst: !found.withSecondFactor,
    }
    const added = await factors.addPasskey(tenant, account.id, made, ownerAt(ctx))
    if (added === 'wrong' || added === 'known') {
      return show(ctx, found, { error: added, name })
    }
    if (typeof added === 'string') return desk.toList(ctx)
    await desk.endOthers(ctx, found, form['end_others'])
    if (added.recoveryCodes) desk.showCodes(ctx, added.recoveryCodes, '/account')
    else desk.toList(ctx)
  })
}
