import { authorizeUrl } from '../../support/protocol.ts'
import { travel } from '../../support/time-travel.ts'
import { askForAccount, comeIn, invite, newcomerAt } from './coming-in.ts'
import { passkeyMoves } from './passkey-moves.ts'
import { answerTyped } from './passkeys.ts'
import { step, strict } from './site.ts'
import {
  at,
  atDesk,
  csrfOn,
  type Fields,
  fill,
  formOn,
  guess,
  open,
  showCode,
  signIn,
  type Turn,
} from './turn.ts'
import { codeTyped, linkTyped, newPassword, passwordOf, recoveryTyped } from './typed.ts'
import { type Form, hasFactor, homeOf, type Purpose, pathOf } from './world.ts'

const secretShown = ({ browser }: Turn) =>
  browser.page?.root.querySelector('#secret')?.textContent.replaceAll(' ', '')

/** Opens the page of a link and submits its form, with the token of this link or of another. */
async function useLink(turn: Turn, purpose: Purpose): Promise<void> {
  const { world, browser, kind, second, any } = turn
  const link = linkTyped(world, browser, purpose, kind)
  if (!link) return
  await open(turn, link.url)
  const chosen = newPassword()
  const fields: Fields =
    purpose === 'reset' ? { new_password: chosen, confirm_password: chosen } : {}
  const other = linkTyped(world, browser, any % 2 ? purpose : undefined, second)
  const token = second === 'of another' && other ? other.token : link.token
  await fill(turn, /\/(reset|verify|confirm|object)$/, { token, ...fields })
}

/** Submits the form of a link at its own address or another, with or without opening it first. */
async function postLink(turn: Turn): Promise<void> {
  const { site, world, browser, any, kind } = turn
  const link = linkTyped(world, browser, undefined, kind)
  if (!link) return
  const paths = ['/password/reset', '/email/verify', '/email/confirm', '/email/object']
  const url = new URL(link.url)
  const home = any % 3 === 0 ? '' : homeOf(link.person)
  url.pathname = any % 2 ? url.pathname : home + (paths[any % 4] ?? '')
  const chosen = newPassword()
  if (any % 5 > 1) {
    await open(turn, url)
    const typed = { new_password: chosen, confirm_password: chosen }
    await fill(turn, /\/(reset|verify|confirm|object)$/, { token: link.token, ...typed })
    return
  }
  url.search = ''
  const csrf = world.forms.findLast(({ fields }) => fields['token'] === link.token)?.fields['csrf']
  const fields = { token: link.token, new_password: chosen, confirm_password: chosen }
  await step(site, world, {
    browser,
    sent: [{ browser, url, fields: { csrf: csrf ?? '', ...fields } }],
  })
}

/** Fills in any form. */
function anything(turn: Turn, { url, fields, options }: Form): Fields {
  const { world, browser, person, kind, second } = turn
  const path = pathOf(url)
  const chosen = newPassword()
  const typed: Fields = { ...fields }
  if (options) typed['credential'] = answerTyped(turn, options, kind)
  if ('username' in fields) typed['username'] = person.address
  if ('password' in fields) typed['password'] = passwordOf(world, browser, person, kind)
  if ('current_password' in fields) {
    typed['current_password'] = passwordOf(world, browser, person, kind)
  }
  if ('new_password' in fields) typed['new_password'] = typed['confirm_password'] = chosen
  if ('otp' in fields) typed['otp'] = codeTyped(world, browser, person, second)
  if ('recovery_code' in fields) {
    typed['recovery_code'] = recoveryTyped(world, browser, person, second)
  }
  if ('email' in fields) typed['email'] = newcomerAt(turn)
  if ('new_email' in fields) typed['new_email'] = newAddress(turn)
  if (path.endsWith('/new/confirm'))
    typed['otp'] = codeTyped(world, browser, person, second, [...world.keys.values()].at(-1))
  return typed
}

let addresses = 0

const newAddress = ({ kind, world, any }: Turn): string =>
  kind === 'right'
    ? `walker${addresses++}@example.net`
    : (world.people[any % world.people.length]?.address ?? '')

const pick = <T>(list: T[], any: number): T | undefined =>
  list[list.length - 1 - (any % 40)] ?? list.at(-1)

/** Addresses of later steps. */
function later(turn: Turn): string[] {
  const { world, any, person } = turn
  const all = [...world.signIns.values()]
  const uid = pick(all, any)?.uid ?? 'none'
  const home = homeOf(person)
  return [
    `${home}/authorize/${uid}`,
    `${home}/interaction/${uid}`,
    `${home}/account/callback?code=made-up`,
    `${home}/account/callback?state=~factors`,
    `${home}/account/factors/new`,
    `${home}/password/changed`,
  ]
}

/** Submits a form to a step of a sign-in that is not due, with the CSRF token of that sign-in if known. */
async function skip(turn: Turn): Promise<void> {
  const { site, world, browser, any, person, second } = turn
  const one = pick([...world.signIns.values()], any % 8)
  if (!one) return
  const steps = ['login', 'factor', 'password', 'set-up', 'codes', 'abort', 'consent']
  const home = homeOf({ tenant: one.tenant })
  const url = new URL(`${home}/interaction/${one.uid}/${steps[any % 7]}`, site.server.issuer)
  const csrf = world.forms.findLast((form) => form.url.pathname.includes(one.uid))?.fields['csrf']
  const chosen = newPassword()
  const fields = {
    ...{ csrf: csrf ?? '', username: person.address },
    password: passwordOf(world, browser, person, turn.kind),
    otp: codeTyped(world, browser, person, second),
    ...{ new_password: chosen, confirm_password: chosen },
  }
  await step(site, world, { browser, sent: [{ browser, url, fields }], follow: any % 3 > 0 })
}

/** Actions on the account pages: page, form and fields. */
const atAccount: [page: string, form: RegExp, typed: (turn: Turn) => Fields][] = [
  ['/email', /\/account\/email$/, (turn) => ({ new_email: newAddress(turn) })],
  ['/factors', /\/remove$/, () => ({})],
  ['/factors', /\/factors\/codes$/, () => ({})],
  [
    '/password',
    /\/account\/password$/,
    ({ person: { password } }) => {
      const chosen = newPassword()
      return { current_password: password, new_password: chosen, confirm_password: chosen }
    },
  ],
  ['/email', /\/email\/verify$/, () => ({})],
]

/** Continues in an existing session, preferably one that is weaker than its account. */
async function goOn(turn: Turn): Promise<void> {
  const { world, any } = turn
  const all = [...world.sessions.values()]
  const weak = all.filter(({ level, person }) => level === 'password' && hasFactor(person))
  const session = pick(weak.length > 0 && any % 2 > 0 ? weak : all, any % 10)
  const [page, form, typed] = atAccount[any % atAccount.length] ?? []
  if (!session || !form || !typed) return
  const { browser, person } = session
  const there = { ...turn, browser, person }
  await open(there, `${homeOf(person)}/account${page}`)
  await fill(there, form, typed(there))
}

/** Submits a form twice at once. */
async function twice(turn: Turn, form: Form | undefined, fields: Fields): Promise<void> {
  const { site, world, browser } = turn
  if (!form) return
  const sent = { browser, url: form.url, fields }
  await step(site, world, { browser, sent: [sent, sent] })
}

type Move = (turn: Turn) => Promise<unknown>

/** All moves, with their weights. */
export const moves: Record<string, [weight: number, move: Move]> = {
  'sign in': [14, (turn) => at(turn, '')],
  'go on in a session': [16, goOn],
  'sign in anew': [
    6,
    async (turn) => {
      await atDesk(turn, '', /\/sign-out$/, {})
      await at(turn, '')
    },
  ],
  'type a password': [
    4,
    ({ ...turn }) =>
      fill(
        turn,
        /\/login$/,
        {
          username: turn.person.address,
          password: passwordOf(turn.world, turn.browser, turn.person, turn.kind),
        },
        turn.any % 2 > 0,
      ),
  ],
  'show a code': [5, (turn) => showCode(turn, turn.second)],
  'set up on the way': [
    4,
    async (turn) => {
      await open(
        turn,
        authorizeUrl(
          { ...turn.site.server, issuer: turn.site.server.issuer + homeOf(turn.person) },
          strict,
        ),
      )
      await signIn(turn)
    },
  ],
  'skip a page': [5, (turn) => open(turn, pick(later(turn), turn.any % 6) ?? '/')],
  'skip a step': [6, skip],
  'send a form again': [
    6,
    (turn) => {
      const form = pick(turn.world.sent, turn.any)
      const { site, world, other: browser } = turn
      return form ? step(site, world, { browser, sent: [{ ...form, browser }] }) : Promise.resolve()
    },
  ],
  'send an old form': [
    7,
    (turn) => {
      const form = pick(turn.world.forms, turn.any)
      if (!form) return Promise.resolve()
      const browser = turn.second === 'of another' ? turn.other : form.browser
      const fields = anything({ ...turn, browser }, form)
      return step(turn.site, turn.world, { browser, sent: [{ browser, url: form.url, fields }] })
    },
  ],
  'send a form twice at once': [
    3,
    (turn) => {
      const form = pick(turn.world.forms, turn.any % 6)
      return form
        ? twice(
            { ...turn, browser: form.browser },
            form,
            anything({ ...turn, browser: form.browser }, form),
          )
        : Promise.resolve()
    },
  ],
  'one code in two browsers': [
    2,
    async (turn) => {
      const pair = [turn, { ...turn, browser: turn.other }]
      if (turn.other === turn.browser) return
      for (const each of pair) {
        await open(each, `${homeOf(turn.person)}/account`)
        await fill(each, /\/login$/, {
          username: turn.person.address,
          password: passwordOf(turn.world, each.browser, turn.person, 'right'),
        })
      }
      const otp = codeTyped(turn.world, turn.browser, turn.person, 'right')
      const sent = pair.flatMap(({ browser }) => {
        const url = formOn(browser.page, /\/factor$/)
        return url && browser.page
          ? [{ browser, url, fields: { csrf: csrfOn(browser.page, url), otp } }]
          : []
      })
      if (sent.length === 2) await step(turn.site, turn.world, { browser: turn.browser, sent })
    },
  ],
  'ask for a reset': [
    5,
    async (turn) => {
      await open(turn, `${homeOf(turn.person)}/password/forgot`)
      await fill(turn, /\/forgot$/, { username: turn.person.address })
    },
  ],
  reset: [6, (turn) => useLink(turn, 'reset')],
  'open a link': [
    3,
    ({ ...turn }) => {
      const link = linkTyped(turn.world, turn.browser, undefined, turn.kind)
      return link ? open(turn, link.url) : Promise.resolve()
    },
  ],
  'send a link': [4, postLink],
  'ask to verify': [3, (turn) => atDesk(turn, '/email', /\/email\/verify$/, {})],
  verify: [3, (turn) => useLink(turn, 'verification')],
  'ask for another address': [
    5,
    (turn) => atDesk(turn, '/email', /\/account\/email$/, { new_email: newAddress(turn) }),
  ],
  'confirm another address': [4, (turn) => useLink(turn, 'email_change')],
  object: [3, (turn) => useLink(turn, 'email_objection')],
  'add an app': [
    5,
    async (turn) => {
      await atDesk(turn, '/factors', /\/factors\/new$/, {})
      const { world, browser, person, second, any } = turn
      const otp = codeTyped(world, browser, person, second, secretShown(turn))
      const others: Fields = any % 4 === 0 ? { end_others: 'yes' } : {}
      await fill(turn, /\/new\/confirm$/, { otp, name: 'Walker', ...others })
    },
  ],
  'remove an app': [
    4,
    async (turn) => {
      const others: Fields = turn.any % 4 === 0 ? { end_others: 'yes' } : {}
      await atDesk(turn, '/factors', /\/remove$/, others)
    },
  ],
  'remove an app of another': [
    3,
    async (turn) => {
      await at({ ...turn, kind: 'right', second: 'right' }, '/factors')
      const url = formOn(turn.browser.page, /\/(remove|new|codes)$/)
      const all = turn.world.people.flatMap(({ apps, passkeys }) => [
        ...[...apps.keys(), ...passkeys.keys()],
      ])
      if (!url || !turn.browser.page) return
      const csrf = csrfOn(turn.browser.page, url)
      url.pathname = `${homeOf(turn.person)}/account/factors/${all[turn.any % all.length]}/remove`
      const { site, world, browser } = turn
      await step(site, world, { browser, sent: [{ browser, url, fields: { csrf } }] })
    },
  ],
  ...passkeyMoves,
  'make recovery codes': [3, (turn) => atDesk(turn, '/factors', /\/factors\/codes$/, {})],
  'change the password': [
    5,
    (turn) => {
      const chosen = newPassword()
      const { world, browser, person, kind, any } = turn
      return atDesk(turn, '/password', /\/account\/password$/, {
        current_password: passwordOf(world, browser, person, kind),
        ...{ new_password: chosen, confirm_password: chosen },
        ...(any % 2 ? { others: 'end' } : {}),
      })
    },
  ],
  'sign out': [2, (turn) => atDesk(turn, '', /\/sign-out$/, {})],
  'sign out everywhere': [2, (turn) => atDesk(turn, '', /\/sign-out-everywhere$/, {})],
  'sign out elsewhere': [2, (turn) => atDesk(turn, '/sessions', /\/sign-out-elsewhere$/, {})],
  'end a session': [2, (turn) => atDesk(turn, '/sessions', /\/sessions\/[^/]+\/end$/, {})],
  'end a session of another': [
    2,
    async (turn) => {
      await at({ ...turn, kind: 'right', second: 'right' }, '/sessions')
      const url = formOn(turn.browser.page, /\/sign-out-elsewhere$/)
      const all = turn.world.seen.sessions
      if (!url || !turn.browser.page || all.length === 0) return
      const csrf = csrfOn(turn.browser.page, url)
      url.pathname = `${homeOf(turn.person)}/account/sessions/${all[turn.any % all.length]?.uid}/end`
      const { site, world, browser } = turn
      await step(site, world, { browser, sent: [{ browser, url, fields: { csrf } }] })
    },
  ],
  'ask for an account': [4, askForAccount],
  invite: [2, invite],
  'come in by a link': [6, comeIn],
  guess: [2, guess],
  'start the process again': [
    1,
    async ({ site, any }) => {
      if (any < 250) await site.restart()
    },
  ],
  'wait five minutes': [4, async () => travel(299)],
  'wait an hour': [2, async () => travel(3601)],
  'wait a day': [1, async () => travel(86_400)],
}
