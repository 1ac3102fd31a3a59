import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Core } from '../../src/core.ts'
import { sealedFactorSecrets } from '../../src/factors/factor.store.ts'
import { newTotpSecret } from '../../src/factors/totp.ts'
import { familyNamedBy } from '../../src/families/handle.ts'
import { newHandle } from '../../src/secrets/handle.ts'
import { keyIdOf } from '../../src/secrets/seal.ts'
import { sealedSessionState } from '../../src/sessions/session.store.ts'
import { push } from '../../src/signals/stream.ts'
import { freshStorage, type StorageKind, testKey } from './boot.ts'
import { someSession } from './people.ts'
import { signsWell } from './private-key.ts'
import { codeOf } from './second-factor.ts'
import { dump } from './witness.ts'

/** A key-encryption key as it is configured, and its id. */
export interface TestKey {
  text: string
  id: string
}

export function keyOf(text: string): TestKey {
  return { text, id: keyIdOf(Buffer.from(text, 'base64')) }
}

export const newKey = (): TestKey => keyOf(randomBytes(32).toString('base64'))

/** Fresh storage with its key in a file, as an embedded installation has it. */
export async function storageWithKeyFile(kind: StorageKind): Promise<Record<string, string>> {
  const { KEY_ENCRYPTION_KEY: _key, ...env } = await freshStorage(kind)
  await writeFile(keyFileOf(env), `${testKey}\n`, { mode: 0o600 })
  return env
}

export const keyFileOf = (env: Record<string, string>): string =>
  join(env['KEYS_DIR'] as string, 'key-encryption-key')

/** Checks that every value is still readable and recognised. */
export type Reading = (core: Core) => Promise<void>

/** Creates one secret of each sealed or derived kind, in several tenants, and many sessions. */
export async function sealEverything(core: Core, sessions = 210): Promise<Reading> {
  const tenants = ['default', 'acme', 'beta']
  const secret = 'a-secret-that-must-be-readable-again-and-again'
  const totp = newTotpSecret()
  const email = 'owner@example.com'
  const foreign = 'a-secret-that-came-from-outside'
  const states = new Map<string, Record<string, unknown>>()
  for (const tenant of tenants) {
    if (tenant !== 'default') await core.tenants.declare({ id: tenant, name: tenant })
    await core.signing.ensure(tenant, ['ES256', 'RS256', 'EdDSA'])
    for (const [client_id, client_secret, method] of [
      ['reads', secret, 'client_secret_jwt'],
      ['hashed', foreign, 'client_secret_basic'],
    ] as const) {
      await core.clients.declare(tenant, {
        ...{ client_id, client_secret, token_endpoint_auth_method: method },
        redirect_uris: ['https://app.example.com/callback'],
      })
    }
    await core.webhooks.declare(tenant, {
      url: 'https://siem.example.com/',
      events: ['*'],
      secret: `whsec_${randomBytes(32).toString('base64')}`,
    })
    await core.signals.create(tenant, 'reads', {
      delivery: {
        method: push,
        endpoint_url: 'https://siem.example.com/',
        authorization_header: foreign,
      },
      events_requested: [],
    })
    await core.accounts.declare(tenant, { email })
    const account = await core.accounts.byIdentifier(tenant, email)
    const app = { secret: totp, name: '', code: codeOf(totp), onlyFirst: true }
    await core.factors.add(tenant, account?.id ?? '', app, { by: 'owner' })
    await core.database.transaction(async () => {
      for (let i = 0; i < sessions / tenants.length; i++) {
        const session = someSession({ state: { secret: newHandle() } })
        await core.sessions.save(tenant, session, newHandle(), [], [])
        states.set(session.uid, session.state as Record<string, unknown>)
      }
    })
  }
  const token = core.families.newToken(newHandle().slice(0, 22))
  const mac = core.sealer.mac('user-code', 'ABCD')
  const read = async (now: Core) => ({
    shared: await Promise.all(
      tenants.flatMap((tenant) =>
        (['cookies', 'csrf', 'dpop'] as const).map((name) => now.sharedSecrets.get(tenant, name)),
      ),
    ),
    keys: await Promise.all(
      tenants.map(async (tenant) =>
        Promise.all(
          (await now.signing.open(tenant)).published.map(async (key) => {
            expect(await signsWell(key)).to.equal(true)
            return key.kid
          }),
        ),
      ),
    ),
  })
  const before = await read(core)

  return async (now) => {
    expect(await read(now)).to.deep.equal(before)
    for (const tenant of tenants) {
      const [reads, hashed] = await Promise.all(
        ['reads', 'hashed'].map((id) => now.clients.find(tenant, id)),
      )
      if (!reads || !hashed) throw new Error('a client is gone')
      const stream = await now.signals.of(tenant, 'reads')
      expect(stream?.delivery).to.include({ authorization: foreign })
      expect(now.clients.readableSecrets(reads)).to.deep.equal([secret])
      expect(now.clients.secretFits(hashed, foreign), 'an imported secret').to.equal(true)
    }
    const apps = await now.database.query<{ tenant_id: string; id: string; sealed: string }>(
      'select tenant_id, id, sealed from second_factors',
    )
    const opened = apps.map(({ tenant_id, id, sealed }) =>
      now.sealer.open(sealedFactorSecrets.purpose(tenant_id, id), sealed),
    )
    expect(opened, 'keys of apps').to.deep.equal([totp, totp, totp])
    const kept = await now.database.query<{ tenant_id: string; uid: string; state: string }>(
      'select tenant_id, uid, state from sessions where uid = any($1)',
      [[...states.keys()]],
    )
    expect(kept, 'states of sessions').to.have.length(states.size)
    for (const { tenant_id, uid, state } of kept) {
      const readable = now.sealer.open(sealedSessionState.purpose(tenant_id, uid), state)
      expect(JSON.parse(readable)).to.deep.equal(states.get(uid))
    }
    for (const [uid, state] of [...states].slice(0, 1)) {
      expect((await now.sessions.byUid('default', uid))?.state).to.deep.equal(state)
    }
    expect(now.sealer.mac('user-code', 'ABCD')).to.equal(mac)
    expect(familyNamedBy(now.sealer, token), 'a refresh token').to.equal(token.slice(43, 65))
  }
}

/** Ids of the keys that sealed anything in a dump of both stores. */
export async function keyIdsIn(core: Core, env: Record<string, string>): Promise<string[]> {
  const text = await dump(core.database, env['REDIS_URL'])
  return [...new Set([...text.matchAll(/\bv1\.([\w-]{8})\./g)].map(([, id]) => id as string))]
}
