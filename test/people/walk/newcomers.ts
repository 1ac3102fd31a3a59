import { AssertionError } from 'chai'
import type { Change } from './observation.ts'
import { bindings, type Shown } from './proofs.ts'
import type { Site } from './site.ts'
import { type Browser, nowInSeconds, type Person, pathOf, tenantOf, type World } from './world.ts'

/** A link to create an account. The default tenant allows sign-up; the other only invites. */
export interface Entry {
  tenant: string
  address: string
  token: string
  url: string
  /** Seconds since the epoch. */
  at: number
  /** The browser that asked for it; undefined for an invitation. */
  browser: Browser | undefined
}

/** Lifetime of a link in seconds. */
const goodFor = { default: 86_400, acme: 604_800 }

/** SQL pattern of the addresses of new accounts in a walk. */
export const newcomers = (world: World): string => `newcomer${world.number}-%@example.com`

const isAsk = ({ path, url, fields, browser, binding }: Shown, tenant: string, to: string) =>
  path === '/sign-up' &&
  tenantOf(url) === tenant &&
  fields['email'] === to &&
  binding === bindings.browser(browser, `${tenant} sign-up`)

/** Stores the link of a mail. @throws AssertionError for a mail that nobody asked for */
export function keepEntry(world: World, url: string, to: string, shown: Shown[]): void {
  const address = new URL(url)
  const tenant = tenantOf(address)
  const ask = shown.find((one) => isAsk(one, tenant, to))
  if (!ask && !world.invited.delete(to)) {
    throw new AssertionError(`an unrequested link for ${to} of ${tenant}`)
  }
  const token = address.searchParams.get('token') ?? ''
  world.entries.push({ tenant, address: to, token, url, at: nowInSeconds(), browser: ask?.browser })
}

/** Whether it is the latest link for its address, not expired, and the address has no account yet. */
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
 * Adds a new account to the model. It must come from a form behind a good link to its address, with the password typed
 * there. In the browser that asked for the link, the password also counts for the sign-in of the form.
 * @param prove records that
 * @throws AssertionError for an account without such a form
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

/** Whether a link creates an account. */
export const isEntry = (url: string): boolean => pathOf(new URL(url)) === '/sign-up/finish'

export const openDoors = async ({ server }: Pick<Site, 'server'>): Promise<void> => {
  const { tenants } = server.core
  await tenants.declareSignUp('default', { mode: 'open', domains: [] })
  await tenants.declareSignUp('acme', { mode: 'invitation', domains: [] })
}
