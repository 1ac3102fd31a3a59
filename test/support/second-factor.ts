import { randomUUID } from 'node:crypto'
import type { Core } from '../../src/core.ts'
import { newTotpSecret, stepSeconds, totpCode } from '../../src/factors/totp.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import { remember } from './witness.ts'

/** The code that an app with this key shows. @param steps from now */
export function codeOf(secret: string, steps = 0): string {
  return totpCode(secret, Math.floor(Date.now() / 1000 / stepSeconds) + steps)
}

const password = 'a second factor beside it'

/** Somebody with a password. */
export async function somebody({ accounts }: Core) {
  remember(password)
  const { account } = await accounts.create(defaultTenant, {
    email: `${randomUUID()}@example.com`,
    password,
  })
  return { id: account.id, username: account.email, password }
}

export interface Owner {
  id: string
  username: string
  password: string
  secret: string
  recoveryCodes: string[]
}

type Person = Awaited<ReturnType<typeof somebody>>

/**
 * An account with a password and an app whose codes of this and the next step are unused.
 * @param before an account without an app; a new one when absent
 */
export async function factorOwner(core: Core, before?: Person): Promise<Owner> {
  const person = before ?? (await somebody(core))
  const secret = newTotpSecret()
  const app = { secret, name: 'Phone', code: codeOf(secret, -1), onlyFirst: true }
  const added = await core.factors.add(defaultTenant, person.id, app, { by: 'owner' })
  if (typeof added === 'string') throw new Error(`not added: ${added}`)
  const { recoveryCodes = [] } = added
  remember(secret, ...recoveryCodes)
  return { ...person, secret, recoveryCodes }
}
