import { newTotpSecret } from '../../../src/factors/totp.ts'
import { defaultTenant } from '../../../src/tenants/tenant.ts'
import { givePasskey } from '../../support/authenticator.ts'
import { codeOf } from '../../support/second-factor.ts'
import { travel } from '../../support/time-travel.ts'
import { createUserAgent } from '../../support/user-agent.ts'
import { remember } from '../../support/witness.ts'
import { observe } from './observation.ts'
import { newDevices } from './passkeys.ts'
import type { Site } from './site.ts'
import { nowInSeconds, type Person, type World } from './world.ts'

let worlds = 0

/**
 * New people at the same server. Alice and Carol have the same address and password in two tenants, and each has an app
 * and a passkey. Bob, Mallory and Dave have no factor at first, and Dave has a one-time password.
 */
export async function newWorld(site: Site): Promise<World> {
  const number = worlds++
  // At the start of a time step, so that a walk is repeatable.
  travel(60 - (nowInSeconds() % 60))
  const { accounts, factors } = site.server.core
  const devices = newDevices()
  async function person(name: string, tenant: string, address: string, hasApp: boolean) {
    const chosen = `${name === 'Carol' ? 'Alice' : name} at the start of it`
    const isOneTime = name === 'Dave'
    const wanted = { email: address, ...(isOneTime ? {} : { password: chosen }) }
    const { account, oneTimePassword } = await accounts.create(tenant, wanted)
    const password = oneTimePassword ?? chosen
    remember(password)
    const created: Person = {
      ...{ name, tenant, id: account.id, address, password, formerPasswords: [] },
      ...{ apps: new Map(), passkeys: new Map(), recoveryCodes: [], epoch: 0, version: 0 },
      ...{ isOneTime, wrong: 0, lockedUntil: 0 },
    }
    if (!hasApp) return created
    await accounts.verifyEmail(tenant, account.id, address)
    const secret = newTotpSecret()
    const app = { secret, name: 'Phone', code: codeOf(secret, -1), onlyFirst: true }
    const added = await factors.add(tenant, account.id, app, { by: 'owner' })
    if (typeof added === 'string') throw new Error(added)
    const [factor] = await factors.list(tenant, account.id)
    created.apps.set(factor?.id ?? '', { secret, lastStep: Math.floor(nowInSeconds() / 30) - 1 })
    created.recoveryCodes = added.recoveryCodes ?? []
    remember(secret, ...created.recoveryCodes)
    const key = await givePasskey(site.server.core, account, { tenant })
    const passkey = (await factors.list(tenant, account.id)).find(({ kind }) => kind === 'passkey')
    devices.keys.set(key.id, { key, counter: 0 })
    created.passkeys.set(passkey?.id ?? '', { credential: key.id, counter: 0 })
    return created
  }
  const people = [
    await person('Alice', defaultTenant, `alice${number}@example.com`, true),
    await person('Bob', defaultTenant, `bob${number}@example.com`, false),
    await person('Carol', 'acme', `alice${number}@example.com`, true),
    await person('Mallory', defaultTenant, `mallory${number}@example.com`, false),
    await person('Dave', 'acme', `dave${number}@example.com`, false),
  ]
  const browsers = ['one', 'two', 'three', 'four', 'of the attacker'].map((name, at) => ({
    name,
    agent: createUserAgent({ called: `Browser ${name}` }),
    isAttacker: at === 4,
    knownTo: new Set<Person>(),
  }))
  const seen = await observe(
    site.server.core,
    people.map(({ id }) => id),
  )
  return {
    ...{
      people,
      browsers,
      seen,
      number,
      links: [],
      entries: [],
      invited: new Set(),
      forms: [],
      sent: [],
      usedCodes: [],
    },
    ...{ sessions: new Map(), signIns: new Map(), bindings: new Map(), keys: new Map() },
    devices,
    mailsRead: site.mailbox.mails.length,
  }
}
