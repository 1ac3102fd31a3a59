import { isGoodEntry } from './newcomers.ts'
import { step } from './site.ts'
import { fill, open, type Turn } from './turn.ts'
import { newPassword } from './typed.ts'
import { homeOf } from './world.ts'

/** A few addresses, so that each is used several times. */
export const newcomerAt = ({ world, any }: Turn) => `newcomer${world.number}-${any % 5}@example.com`

/** Signs up, during an authorization request or directly. */
export async function askForAccount(turn: Turn): Promise<void> {
  const { any, kind, browser } = turn
  const home = homeOf(turn.person)
  if (any % 3 > 0) {
    await open(turn, `${home}/account`)
    const link = browser.page?.root.querySelector('#sign-up')?.getAttribute('href')
    if (link) await open(turn, new URL(link, turn.site.server.issuer))
  } else await open(turn, '/sign-up')
  const email = kind === 'of another' ? turn.person.address : newcomerAt(turn)
  await fill(turn, /\/sign-up$/, { email })
}

/** An operator invites somebody; the next step reads the mail. */
export async function invite(turn: Turn): Promise<void> {
  const { site, world } = turn
  const email = newcomerAt(turn)
  if (world.people.some(({ tenant, address }) => tenant === 'acme' && address === email)) return
  world.invited.add(email)
  await site.server.core.invitations.create('acme', { email, language: 'en' })
  await open(turn, '/t/acme/account')
}

/** Opens a link to create an account, in the browser that asked or another, and submits the form. */
export async function comeIn(turn: Turn): Promise<void> {
  const { world, kind, second, any, site } = turn
  const readable = world.entries.slice(-8)
  const good = readable.findLast((entry) => isGoodEntry(world, entry))
  const entry = (kind === 'right' && good) || readable[any % readable.length]
  if (!entry) return
  const browser = any % 3 > 0 ? (entry.browser ?? turn.browser) : turn.browser
  const there = { ...turn, browser }
  await open(there, entry.url)
  const password = newPassword()
  const other = second === 'of another' ? readable[any % readable.length] : undefined
  const token = other?.token ?? entry.token
  const fields = { token, new_password: password, confirm_password: password }
  const form = world.forms.findLast(
    (one) => one.browser === browser && one.fields['token'] === entry.token,
  )
  if (!form) return
  const sent = { browser, url: form.url, fields: { ...form.fields, ...fields } }
  await step(site, world, { browser, sent: any % 4 === 0 ? [sent, sent] : [sent] })
}
