import { AssertionError } from 'chai'
import type { Change } from './observation.ts'
import { bindings, type Shown } from './proofs.ts'
import type { Site } from './site.ts'
import { type Browser, nowInSeconds, type Person, pathOf, tenantOf, type World } from './world.ts'

/** A link to make an account with. Anybody may sign up at the one tenant; the other invites. */
export interface Entry {
  tenant: string
  address: string
  token: string
  url: string
  /** In seconds. */
  at: number
  /** Where it was asked for; nowhere when it is an invitation. */
  browser: Browser | undefined
}

/** Seconds that a link is good for. */
const goodFor = { default: 86_400, acme: 604_800 }

/** Of those who come to have an account in a walk. */
export const newcomers = (world: World): string => `newcomer${world.number}-%@example.com`

const isAsk = ({ path, url, fields, browser, binding }: Shown, tenant: string, to: string) =>
  path === '/sign-up' &&
  tenantOf(url) === tenant &&
  fields['email'] === to &&
  binding === bindings.browser(browser, `${tenant} sign-up`)

/** Takes in the link of a mail; nobody gets one who was not asked for. */
export function keepEntry(world: World, url: string, to: string, shown: Shown[]): void {
  const address = new URL(url)
  const tenant = tenantOf(address)
  const ask = shown.find((one) => isAsk(one, tenant, to))
  if (!ask && !world.invited.delete(to)) {
    throw new AssertionError(`a link for ${to} of ${tenant} that nobody asked for`)
  }
  const token = address.searchParams.get('token') ?? ''
  world.entries.push({ tenant, address: to, token, url, at: nowInSeconds(), browser: ask?.browser })
}

/** The latest link for its address, in time, while nobody has an account with it. */
export function isGoodEntry(world: World, entry: Entry): boolean {
  const latest = world.entries.findLast(
    ({ tenant, address }) => tenant === entry.tenant && address === entry.address,
  )
  const isTaken = world.people.some(
    ({ tenant, address }) => tenant === entry.tenant && address === entry.address,
  )
  const ttl = goodFor[entry.tenant as keyof typeof goodFor]
  return latest === entry && !isTaken && nowInSeconds() - entry.at <= ttl
}

/**
 * Takes in an account that was made: by a form behind a good link to its address, and with the password that was typed
 * there. Where the link was asked for, that is a right password in the sign-in that the form was sent in.
 * @param prove notes that
 * @throws AssertionError for one that came otherwise
 */
export function greet(
  world: World,
  change: Extract<Change, { kind: 'account made' }>,
  shown: Shown[],
  prove: (signIn: NonNullable<Shown['signIn']>, person: Person) => void,
): void {
  const entry = world.entries.findLast(
    (one) => one.tenant === change.tenant && one.address === change.to && isGoodEntry(world, one),
  )
  const forms = shown.filter(
    ({ path, url, fields, binding }) =>
      /^\/(sign-up\/finish|interaction\/[^/]+\/account)$/.test(path) &&
      tenantOf(url) === change.tenant &&
      fields['token'] === entry?.token &&
      binding === bindings.link(fields['token'] ?? ''),
  )
  const [form] = forms
  if (!entry || !form) {
    throw new AssertionError(`an account without its link: ${JSON.stringify(change)}`)
  }
  const person: Person = {
    ...{ name: `Newcomer ${change.to}`, tenant: change.tenant, id: change.account },
    ...{ address: change.to, password: form.fields['new_password'] ?? '', formerPasswords: [] },
    ...{ apps: new Map(), passkeys: new Map(), recoveryCodes: [], epoch: 0, version: 0 },
    ...{ isOneTime: false, wrong: 0, lockedUntil: 0 },
  }
  world.people.push(person)
  for (const { browser, signIn } of forms) {
    browser.knownTo.add(person)
    const goesOn = signIn?.browser === browser && entry.browser === browser && !signIn.isOver
    if (goesOn && signIn.tenant === change.tenant) prove(signIn, person)
  }
}

/** Whether a mail brings somebody in. */
export const isEntry = (url: string): boolean => pathOf(new URL(url)) === '/sign-up/finish'

export const openDoors = async ({ server }: Pick<Site, 'server'>): Promise<void> => {
  const { tenants } = server.core
  await tenants.declareSignUp('default', { mode: 'open', domains: [] })
  await tenants.declareSignUp('acme', { mode: 'invitation', domains: [] })
}
