import { hashSync as bcrypt } from 'bcrypt'
import type { Core } from '../../src/core.ts'
import { newTotpSecret } from '../../src/factors/totp.ts'
import { strangers } from '../../src/lockouts/lockout.ts'
import { defaultTenant as tenant } from '../../src/tenants/tenant.ts'
import { codeOf } from '../../test/support/second-factor.ts'

const password = 'the password of all of them'

/** The kinds of accounts. There are as many accounts of each kind as samples, so that measuring locks none of them. */
export const kinds = [
  'known',
  'unknown',
  'disabled',
  'deleted',
  'unverified',
  'without password',
  'with an app',
  'with bcrypt',
  'with bcrypt, disabled',
] as const

export const addressOf = (kind: string, i: number) =>
  `${kind.replaceAll(/\W+/g, '-').padEnd(20, 'x')}${String(i).padStart(5, '0')}@example.com`

/** Creates the accounts; hashes the password once for all. */
export async function makePeople(
  core: Core,
  samples: number,
  of: ReadonlyArray<(typeof kinds)[number]>,
): Promise<void> {
  const { accounts, factors, revocations, database } = core
  const email = addressOf('first of all', 0)
  const { account } = await accounts.create(tenant, { email, password })
  const [row] = await database.query<{ hash: string }>(
    'select hash from passwords where account_id = $1',
    [account.id],
  )
  const hashes: Partial<Record<(typeof kinds)[number], string>> = {
    'with bcrypt': bcrypt(password, 10),
    'with bcrypt, disabled': bcrypt(password, 10),
  }
  for (const kind of of) {
    if (kind === 'unknown') continue
    for (let i = 0; i < samples; i++) {
      const address = addressOf(kind, i)
      const passwordHash = kind === 'without password' ? undefined : (hashes[kind] ?? row?.hash)
      const emailVerified = kind !== 'unverified'
      await accounts.declare(tenant, { email: address, passwordHash, emailVerified })
      const made = await accounts.byIdentifier(tenant, address)
      if (!made) throw new Error(`no account ${address}`)
      if (kind.endsWith('disabled')) await accounts.setDisabled(made, true)
      if (kind === 'deleted') await revocations.deleteAccount(made, { by: 'operator' })
      if (kind !== 'with an app') continue
      const secret = newTotpSecret()
      const app = { secret, name: '', code: codeOf(secret), onlyFirst: true }
      await factors.add(tenant, made.id, app, { by: 'operator' })
    }
  }
}

/** Uses up all free attempts of these accounts but one, without hashing, so that the next wrong attempt starts a pause. */
export async function exhaust(core: Core, addresses: string[]): Promise<void> {
  for (const address of addresses) {
    const account = await core.accounts.byIdentifier(tenant, address)
    const owner = account ? { accountId: account.id } : { identifier: address }
    for (let i = 1; i < strangers.free; i++) {
      await core.lockouts.guess(tenant, { owner }, async () => false)
    }
  }
}

/** Creates an account that can sign in. */
export async function makeOwner({
  accounts,
}: Core): Promise<{ username: string; password: string }> {
  const { account } = await accounts.create(tenant, { email: 'owner@example.com', password })
  return { username: account.email, password }
}
