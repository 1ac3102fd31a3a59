import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import type { Budget } from '../attempts/attempts.ts'
import { networkOf } from '../attempts/network.ts'
import { seeOther, showPage } from '../http/answer.ts'
import { readForm } from '../http/parameters.ts'
import { requestIdOf } from '../http/request.ts'
import type { DeviceOutcome } from '../oidc/device-decision.ts'
import type { WaitingDevice } from '../oidc/device-verification.ts'
import { userCodeIn, writtenUserCode } from '../oidc/user-code.ts'
import { present } from '../present.ts'
import { equalInConstantTime } from '../secrets/handle.ts'
import { createFormCookie } from './form-cookie.ts'
import {
  confirmDevicePage,
  deviceResultPage,
  type EnterCodeView,
  enterCodePage,
} from './pages/device.ts'
import { ownAddress, type PageContext } from './pages/layout.ts'
import type { PageParts } from './parts.ts'
import { noteRefusal } from './refusals.ts'

export const deviceMethods = {
  '/device': ['GET', 'HEAD', 'POST'],
  '/device/confirm': ['GET', 'HEAD', 'POST'],
  '/device/denied': ['GET', 'HEAD'],
  '/device/:uid': ['GET', 'HEAD'],
}

/** Seconds of one window for wrong codes. */
const window = 600
const mostPerNetwork = 20
const mostOfAll = 200
const mostPerAccount = 10

/**
 * The limits on guesses. All strangers share one budget, so that many networks do not get around the limit; a signed-in
 * person has a budget of their own, which strangers cannot use up (RFC 8628 §5.1, security class C9).
 */
function budgetsOf(address: string, accountId: string | undefined): Budget[] {
  const budget = (subject: string, limit: number) => ({ kind: 'user_code', subject, limit, window })
  if (accountId !== undefined) return [budget(`account ${accountId}`, mostPerAccount)]
  return [budget(`network ${networkOf(address)}`, mostPerNetwork), budget('everybody', mostOfAll)]
}

/** The last page of the flow for the device's user. */
export function showOutcome(ctx: Context, context: PageContext, outcome: DeviceOutcome): void {
  showPage(
    ctx,
    deviceResultPage(context, {
      outcome,
      again: { href: ownAddress(context, '/device') },
    }),
    outcome === 'over' ? 400 : 200,
  )
}

/**
 * The pages for the code that a device shows. The second step requires a token that only the page of a right code has,
 * so that neither a link nor another site can skip it.
 *
 * | state   | event                             | next                                  |
 * |---------|-----------------------------------|---------------------------------------|
 * | enter   | missing, wrong, expired, no tries | enter, with the reason                |
 * | enter   | right                             | confirm                               |
 * | confirm | decided or expired meanwhile      | over                                  |
 * | confirm | deny                              | denied                                |
 * | confirm | continue                          | the engine: sign-in, consent, allowed |
 */
export function deviceRoutes(parts: PageParts): Middleware {
  const { tenant, basePath, config, log, attempts, csrf, devices, session } = parts
  const router = new Router()
  const cookie = createFormCookie(parts.deviceCookie)
  const entering = (browser: string) => `device ${browser}`
  /**
   * Binding of the token that proves that this browser entered a right code: nobody can try codes, or link to one, by
   * the URL of the second step.
   */
  const found = (browser: string, code: string) => `device found ${browser} ${code}`
  const confirming = (browser: string, code: string) => `device ${browser} ${code}`

  function showEnter(
    ctx: Context,
    browser: string,
    status: number,
    view: Pick<EnterCodeView, 'error' | 'userCode'>,
  ): void {
    if (status === 429) ctx.set('Retry-After', String(window))
    const context = parts.pageContext(ctx)
    const form = {
      action: ownAddress(context, '/device'),
      csrf: csrf.token(entering(browser)),
      signIn: { href: ownAddress(context, '/account') },
    }
    showPage(ctx, enterCodePage(context, { ...form, ...view }), status)
  }

  /** Counts the try before the check, and gives it back unless the code is wrong. */
  async function guess(ctx: Context, code: string): Promise<WaitingDevice | 'wrong' | 'too_many'> {
    const budgets = budgetsOf(ctx.ip, (await session.find(ctx))?.account.id)
    if (!(await attempts.take(tenant, budgets))) return 'too_many'
    let isWrong = false
    try {
      const device = await devices.find(code, networkOf(ctx.ip))
      isWrong = device === undefined
      return device ?? 'wrong'
    } finally {
      if (!isWrong) await attempts.giveBack(tenant, budgets)
    }
  }

  function toConfirm(ctx: Context, browser: string, code: string): void {
    const query = new URLSearchParams({
      user_code: writtenUserCode(code),
      proof: csrf.token(found(browser, code)),
      ...present({ ui_locales: parts.pageContext(ctx).asked }),
    })
    seeOther(ctx, `${basePath}/device/confirm?${query.toString()}`)
  }

  router.get('/device', (ctx) => {
    const browser = cookie.give(ctx)
    const { user_code: given } = ctx.query
    const code = typeof given === 'string' ? userCodeIn(given) : undefined
    showEnter(ctx, browser, 200, code === undefined ? {} : { userCode: writtenUserCode(code) })
  })

  router.post('/device', async (ctx) => {
    const browser = cookie.read(ctx)
    const form = await readForm(ctx, config.bodyLimit)
    csrf.check(ctx, entering(browser), form['csrf'])
    const { user_code: typed = '' } = form
    if (typed.trim() === '') return showEnter(ctx, browser, 400, { error: 'missing' })
    const code = userCodeIn(typed)
    const device = code === undefined ? 'wrong' : await guess(ctx, code)
    if (code === undefined || typeof device === 'string') {
      log.info({ request_id: requestIdOf(ctx), ip: ctx.ip, reason: device }, 'user code refused')
      const about = { endpoint: 'device', check: 'user_code', error: 'access_denied' } as const
      noteRefusal(parts, ctx, { ...about, reason: device as string })
      if (device === 'too_many') return showEnter(ctx, browser, 429, { error: 'too_many' })
      return showEnter(ctx, browser, 400, { error: 'invalid' })
    }
    toConfirm(ctx, browser, code)
  })

  router.get('/device/confirm', async (ctx) => {
    const browser = cookie.find(ctx) ?? ''
    const { user_code: given, proof } = ctx.query
    const code = (typeof given === 'string' && userCodeIn(given)) || ''
    const isProven =
      typeof proof === 'string' && equalInConstantTime(proof, csrf.token(found(browser, code)))
    // The URL was typed, bookmarked, or left over from a returned form.
    if (!isProven) return seeOther(ctx, `${basePath}/device`)
    const context = parts.pageContext(ctx)
    const device = await devices.find(code, networkOf(ctx.ip))
    if (!device) return showOutcome(ctx, context, 'over')
    showPage(
      ctx,
      confirmDevicePage(context, {
        action: ownAddress(context, '/device/confirm'),
        csrf: csrf.token(confirming(browser, code)),
        clientName: device.clientName,
        userCode: writtenUserCode(code),
      }),
    )
  })

  router.post('/device/confirm', async (ctx) => {
    const browser = cookie.read(ctx)
    const form = await readForm(ctx, config.bodyLimit)
    const code = userCodeIn(form['user_code'] ?? '') ?? ''
    csrf.check(ctx, confirming(browser, code), form['csrf'])
    const device = await devices.find(code, networkOf(ctx.ip))
    if (device && form['decision'] === 'continue') {
      const path = await devices.begin(ctx, device.id)
      if (path !== undefined) return seeOther(ctx, path)
    }
    const isDenied = device && form['decision'] !== 'continue' && (await devices.deny(device.id))
    if (isDenied) return seeOther(ctx, ownAddress(parts.pageContext(ctx), '/device/denied'))
    return toConfirm(ctx, browser, code)
  })

  router.get('/device/denied', (ctx) => showOutcome(ctx, parts.pageContext(ctx), 'denied'))

  return router.routes() as Middleware
}
