import { z } from 'zod'
import type { ReadyOneTime } from '../accounts/accounts.ts'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import { accountIn, lockedAccount, oneTimePassword, passwordOutput } from './accounts.routes.ts'
import { assertScopesFor } from './caller.ts'
import { type Call, type Route, route, timestamp } from './route.ts'
import { named } from './schemas.ts'

/** Credentials: resets, locks and second factors. A help desk starts a reset, and never sees its result. */

const item = '/tenants/{tenant}/accounts/{account_id}'

const credentials = named(
  'Credentials',
  z.strictObject({
    factors: z.array(
      z.strictObject({
        id: z.string(),
        kind: z.string(),
        name: z.string(),
        created_at: timestamp,
        last_used_at: timestamp.optional(),
        backed_up: z
          .boolean()
          .optional()
          .describe('For a passkey: whether its provider has a copy'),
      }),
    ),
    recovery_codes_left: z.int(),
    lock: z
      .strictObject({
        failures: z.int(),
        refused: z.int(),
        blocked: z.boolean(),
        locked_until: timestamp.optional(),
      })
      .optional()
      .describe('Wrong guesses in a row, and the lock that they caused'),
  }),
)

async function load(call: Call) {
  const { core, tenant } = call
  const { id } = await accountIn(call)
  const [lock] = await core.lockouts.list(tenant, [id])
  const factors = await core.factors.list(tenant, id)
  return present({
    factors: factors.map(({ id: factorId, kind, name, createdAt, lastUsedAt, backedUp }) =>
      present({
        id: factorId,
        kind,
        name,
        created_at: rfc3339(createdAt),
        last_used_at: rfc3339(lastUsedAt),
        backed_up: backedUp,
      }),
    ),
    recovery_codes_left: await core.factors.codesLeft(tenant, id),
    lock:
      lock &&
      present({
        failures: lock.failures,
        refused: lock.refused,
        blocked: lock.blocked,
        locked_until: rfc3339(lock.lockedUntil),
      }),
  })
}

export const credentialRoutes: Route[] = [
  route({
    method: 'GET',
    path: `${item}/credentials`,
    permission: 'accounts:read',
    summary: 'Read the second factors and the lock of an account',
    response: credentials,
    handle: load,
  }),
  route<undefined, undefined, ReadyOneTime>({
    method: 'POST',
    path: `${item}/one-time-password`,
    permission: 'accounts:write',
    summary: 'Replace the password by a one-time password, and sign the account out everywhere',
    status: 201,
    response: z.strictObject(oneTimePassword),
    prepare: ({ core }) => core.accounts.readyOneTime(),
    async handle(call, ready) {
      const { core, tenant, actor } = call
      const account = await lockedAccount(call)
      await assertScopesFor(call, { accountId: account.id })
      await core.revocations.passwordChanged(account, actor)
      // Nobody has guessed at the new password yet, and a lock would make it useless.
      await core.lockouts.lift(tenant, account.id, 'operator')
      return passwordOutput(call, await core.accounts.resetPassword(account, ready))
    },
  }),
  route({
    method: 'POST',
    path: `${item}/reset-mail`,
    permission: 'credentials:write',
    summary: 'Send the user a mail with a link to reset the password',
    async handle(call) {
      const { core, tenant, actor } = call
      const { email } = await lockedAccount(call)
      const about = {
        ip: actor.ip ?? '',
        language: core.config.language,
        byOperator: true,
      } as const
      await core.passwordReset.ask(tenant, email, about)
      return undefined
    },
  }),
  route({
    method: 'POST',
    path: `${item}/unlock`,
    permission: 'credentials:write',
    summary: 'Remove the lock that wrong guesses caused',
    response: credentials,
    async handle(call) {
      const { id } = await lockedAccount(call)
      await call.core.lockouts.lift(call.tenant, id, 'operator')
      return load(call)
    },
  }),
  route({
    method: 'POST',
    path: `${item}/remove-factors`,
    permission: 'credentials:write',
    summary: 'Remove all second factors of a user who has lost them',
    response: credentials,
    async handle(call) {
      const { id } = await lockedAccount(call)
      await call.core.factors.removeAll(call.tenant, id, call.actor)
      await call.core.mailedCodes.turnOff(call.tenant, id, call.actor)
      return load(call)
    },
  }),
  route({
    method: 'POST',
    path: `${item}/sign-out`,
    permission: 'sessions:write',
    summary: 'Sign an account out everywhere, and revoke its grants',
    async handle(call) {
      const account = await lockedAccount(call)
      await call.core.revocations.logOutEverywhere(account, call.actor)
      return undefined
    },
  }),
]
