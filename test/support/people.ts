import { randomUUID } from 'node:crypto'
import type { Core } from '../../src/core.ts'
import type { Family } from '../../src/families/family.ts'
import { newHandle } from '../../src/secrets/handle.ts'
import type { Session } from '../../src/sessions/session.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'

/** Creates an account without a known password. @returns its id */
export async function someAccount({ accounts }: Core): Promise<string> {
  const { account } = await accounts.create(defaultTenant, { email: `${randomUUID()}@example.com` })
  return account.id
}

/** Creates a confidential client with all grants. @returns its id */
export async function someClient({ clients }: Core): Promise<string> {
  const { clientId } = await clients.declare(defaultTenant, {
    redirect_uris: ['https://app.example.com/callback'],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  })
  return clientId
}

/** A new grant between two. */
export async function someGrant(
  core: Core,
  { accountId, clientId }: { accountId?: string; clientId?: string } = {},
): Promise<{ id: string; accountId: string; clientId: string }> {
  const grant = {
    id: newHandle(),
    accountId: accountId ?? (await someAccount(core)),
    clientId: clientId ?? (await someClient(core)),
  }
  await core.grants.save({
    tenant: defaultTenant,
    ...grant,
    allowed: { openid: { scope: 'openid' } },
  })
  return grant
}

/** Starts a family with its first token. @returns what it was started with */
export async function someFamily(
  core: Core,
  members: Partial<Family> = {},
): Promise<{ family: Family; token: string }> {
  const { id: grantId, ...between } = await someGrant(core, members)
  const family: Family = {
    tenant: defaultTenant,
    id: newHandle(),
    grantId,
    endsWithSession: false,
    allowedFrom: {},
    expiresAt: Date.now() + 3600_000,
    ...between,
    ...members,
  }
  const token = newHandle()
  await core.families.start(family, tokenOf(token))
  return { family, token }
}

/** A refresh token as families want it. @param hash of its handle */
export function tokenOf(hash: string) {
  return { hash, payload: { kind: 'RefreshToken' }, expiresAt: Date.now() + 600_000, issuedTo: {} }
}

/** A signed-in session, not saved yet. */
export function someSession(members: Partial<Session> = {}): Session {
  const now = Math.floor(Date.now() / 1000)
  return {
    uid: newHandle(),
    transient: false,
    clients: {},
    createdAt: now,
    expiresAt: now + 3600,
    ...members,
  }
}
