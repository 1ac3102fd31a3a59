import { z } from 'zod'
import type { Lockout } from '../lockouts/lockout.ts'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import { type AccountOutput, accountOutput } from './account-output.ts'
import { table } from './columns.ts'
import type { Command } from './command.ts'
import { pageIn, pageLimit } from './pages.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, after: z.string().optional() })

export interface LockOutput {
  failures: number
  refused: number
  locked_until?: string
  blocked: boolean
}

interface Output {
  accounts: Array<AccountOutput & { lock?: LockOutput }>
  next?: string
}

/**
 * `accounts list`: `{ accounts: [{ id, email, email_verified, username?, name?, roles, disabled, lock? }] }`; `lock` is
 * `{ failures, refused, locked_until?, blocked }`.
 */
export const accountsList: Command<z.infer<typeof input>, Output> = {
  input,
  list: 'accounts',
  prepare: tenantOption,
  async execute(core, { tenant, after }) {
    await assertTenant(core, tenant)
    const found = await core.accounts.lists.page(tenant, { after, limit: pageLimit })
    const { shown, ...next } = pageIn(found, ({ email }) => email)
    const ids = shown.map(({ id }) => id)
    const locks = new Map(
      (await core.lockouts.list(tenant, ids)).map((lock) => [lock.accountId, lock]),
    )
    const accounts = shown.map((account) => {
      const lock = locks.get(account.id)
      return { ...accountOutput(account), ...(lock ? { lock: lockOutput(lock) } : {}) }
    })
    return { accounts, ...next }
  },
  render: ({ accounts }) =>
    table(accounts, 'There are no accounts.', ({ email, name = '', roles, disabled, lock, id }) => [
      email,
      name,
      [...roles, ...(disabled ? ['disabled'] : []), ...(lock ? lockWords(lock) : [])].join(', '),
      id,
    ]),
}

export function lockOutput({ failures, refused, lockedUntil, blocked }: Lockout): LockOutput {
  return {
    failures,
    refused,
    ...present({ locked_until: rfc3339(lockedUntil) }),
    blocked,
  }
}

export function lockWords({ blocked, locked_until: until }: LockOutput): string[] {
  if (blocked) return ['locked']
  return until === undefined ? [] : [`locked until ${until}`]
}
