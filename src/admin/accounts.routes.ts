import { z } from 'zod'
import type { Account } from '../accounts/account.ts'
import { accountProfile } from '../accounts/account-document.ts'
import type { AccountView } from '../accounts/account-views.ts'
import type { ReadyOneTime } from '../accounts/accounts.ts'
import { DomainError } from '../errors.ts'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import { assertCovers, assertScopesFor } from './caller.ts'
import { pageOf, textBefore } from './page.ts'
import { type Call, existing, paging, queryFlag, type Route, route, timestamp } from './route.ts'
import { listOf, named } from './schemas.ts'

/** Accounts. Credentials are in credentials.routes.ts; no route sets a password (ASVS 6.4.6). */

const status = z.strictObject({
  disabled: z.boolean(),
  password: z
    .enum(['none', 'one_time', 'chosen'])
    .describe('one_time: the user has to choose a new one at the next sign-in'),
  created_at: timestamp,
  updated_at: timestamp,
})

const account = named(
  'Account',
  accountProfile.extend({ id: z.string(), email_verified: z.boolean(), status }),
)
export const oneTimePassword = {
  one_time_password: z
    .string()
    .describe('Returned only once; the user has to choose a new one at the next sign-in'),
  one_time_password_expires_at: timestamp,
}

const collection = '/tenants/{tenant}/accounts'
const item = `${collection}/{account_id}`

const representation = (view: AccountView) => ({
  id: view.id,
  email: view.email,
  email_verified: view.emailVerified,
  ...present({ username: view.username, name: view.name }),
  status: {
    disabled: view.disabled,
    password: view.password,
    created_at: rfc3339(view.createdAt),
    updated_at: rfc3339(view.updatedAt),
  },
})

/** @throws DomainError `account_not_found` */
export async function accountIn(call: Call): Promise<Account> {
  const { core, tenant, params } = call
  const found = await core.accounts.find(tenant, params['account_id'] ?? '')
  return existing(found, call, 'account_not_found')
}

async function hold({ core, tenant, params }: Call): Promise<void> {
  if (tenant === defaultTenant) await core.roles.hold()
  await core.accounts.lock(tenant, params['account_id'] ?? '')
}

async function load(call: Call, lock = false) {
  const { core, tenant, params } = call
  const { account_id: id = '' } = params
  if (lock) await hold(call)
  const view = await core.accounts.views.view(tenant, id)
  return view && representation(view)
}

async function loadedAccount(call: Call) {
  await accountIn(call)
  return (await load(call)) as object
}

/** Locks an account that the caller may change. @throws DomainError `account_not_found`, `subject_protected` */
export async function lockedAccount(call: Call): Promise<Account> {
  await hold(call)
  // Only after the lock: it may have been deleted while this waited.
  const found = await accountIn(call)
  await assertCovers(call, { accountId: found.id })
  return found
}

export function passwordOutput({ core }: Call, password: string) {
  return {
    one_time_password: password,
    one_time_password_expires_at: rfc3339(core.clock.now() + core.config.oneTimePasswordTtl * 1000),
  }
}

const query = z.strictObject({
  ...paging,
  q: z
    .string()
    .min(1)
    .max(200)
    .optional()
    .describe('Part of the e-mail address, user name or name'),
  disabled: queryFlag.optional(),
})

/** An absent member stays; null removes it. */
const changes = z.strictObject({
  email: accountProfile.shape.email.optional(),
  username: accountProfile.shape.username.nullable(),
  name: accountProfile.shape.name.nullable(),
  email_verified: z.boolean().optional(),
})

export const accountRoutes: Route[] = [
  route({
    method: 'GET',
    path: collection,
    permission: 'accounts:read',
    summary: 'List accounts',
    query,
    response: listOf(account),
    async handle(call) {
      const { core, tenant, query: asked } = call
      const { rows, stoppedAt } = await core.accounts.views.page(
        tenant,
        { text: asked.q, disabled: asked.disabled },
        { after: textBefore(call), limit: asked.limit + 1 },
      )
      return pageOf(call, rows, representation, ({ id }) => [id], stoppedAt)
    },
  }),
  route<undefined, z.output<typeof accountProfile>, ReadyOneTime>({
    method: 'POST',
    path: collection,
    permission: 'accounts:write',
    summary: 'Create an account with a one-time password',
    body: accountProfile,
    status: 201,
    response: account.extend(oneTimePassword),
    prepare: ({ core }) => core.accounts.readyOneTime(),
    async handle(call, ready) {
      const { core, tenant, body } = call
      const { email_verified: emailVerified, ...profile } = body
      const created = await core.accounts.create(tenant, { ...profile, emailVerified }, ready)
      const params = { account_id: created.account.id }
      return {
        ...(await loadedAccount({ ...call, params })),
        ...passwordOutput(call, ready.password),
      }
    },
  }),
  route({
    method: 'GET',
    path: item,
    permission: 'accounts:read',
    summary: 'Read an account',
    response: account,
    current: load,
    handle: loadedAccount,
  }),
  route<undefined, z.output<typeof changes>>({
    method: 'PATCH',
    path: item,
    permission: 'accounts:write',
    summary: 'Change an account; omitted members stay unchanged, null removes a value',
    body: changes,
    response: account,
    current: load,
    async handle(call) {
      const { core, body } = call
      const known = await lockedAccount(call)
      const email = body.email ?? known.email
      // The reader of its mail can set its password.
      if (email !== known.email) await assertScopesFor(call, { accountId: known.id })
      const kept = <Value>(value: Value | null | undefined, before: Value | undefined) =>
        value === null ? undefined : (value ?? before)
      const username = kept(body.username, known.username)
      const name = kept(body.name, known.name)
      await core.accounts.update(known, {
        email,
        // A new address is unverified until its owner proves it.
        emailVerified: body.email_verified ?? (email === known.email && known.emailVerified),
        ...present({ username, name }),
      })
      return loadedAccount(call)
    },
  }),
  route({
    method: 'DELETE',
    path: item,
    permission: 'accounts:write',
    summary: 'Delete an account and all its data; its id is never used again',
    current: load,
    async handle(call) {
      const known = await lockedAccount(call)
      if (!(await call.core.revocations.deleteAccount(known, call.actor))) {
        throw new DomainError('last_owner', { detail: { accountId: known.id } })
      }
      return undefined
    },
  }),
  ...(['disable', 'enable'] as const).map((verb) =>
    route({
      method: 'POST',
      path: `${item}/${verb}`,
      permission: 'accounts:write',
      summary:
        verb === 'disable'
          ? 'Disable an account; ends its sessions and revokes its tokens'
          : 'Enable a disabled account',
      response: account,
      async handle(call) {
        const known = await lockedAccount(call)
        await call.core.revocations.setAccountDisabled(known, verb === 'disable', call.actor)
        return loadedAccount(call)
      },
    }),
  ),
]
