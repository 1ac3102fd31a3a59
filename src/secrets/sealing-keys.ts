import { DomainError } from '../errors.ts'
import type { Platform } from '../platform.ts'
import { column, nullable, table } from '../storage/table.ts'
import type { Envelopes, Seals } from './seal.ts'

/**
 * The key-encryption keys that may seal, as recorded in Postgres. Postgres refuses rows sealed under a retired key
 * (migration 0010). Sealing locks the row of the key, which a rotation updates. So a secret is either written before
 * its key is retired, and then resealed by the rotation, or not written at all.
 */
export interface SealingKeys extends Seals {
  /** Registers the configured key, so that other processes can tell whether they have it. */
  register(): Promise<void>
  /**
   * After it returns, only the current key of this process seals. Waits for transactions that seal under another.
   * @throws DomainError `key_encryption_key_invalid` when the current key was itself retired
   */
  retireOthers(): Promise<void>
  /** Checks whether this process has the keys that it needs, and logs a fault once. */
  check(): Promise<void>
  /** The fault that the last check found, for operators. */
  fault(): string | undefined
}

export const KeyEncryptionKeysTable = table('key_encryption_keys', {
  key: ['id'],
  columns: {
    id: column.text,
    first_used_at: column.time,
    retired_at: nullable(column.time),
  },
})

interface Row {
  id: string
  retired_at: Date | null
}

export function createSealingKeys({
  database,
  envelopes,
  clock,
  log,
}: Pick<Platform, 'database' | 'clock' | 'log'> & {
  envelopes: Envelopes
}): SealingKeys {
  let fault: string | undefined
  const now = () => new Date(clock.now())
  const own = () => [envelopes.keyId, ...envelopes.previousKeyIds]

  async function register(): Promise<void> {
    await database.execute(
      `insert into key_encryption_keys (id, first_used_at) values ($1, $2) on conflict do nothing`,
      [envelopes.keyId, now()],
    )
  }

  const all = () =>
    database.query<Row>('select id, retired_at from key_encryption_keys order by first_used_at, id')

  /** Keys of this process that may seal, latest first. They are locked until the transaction ends. */
  async function held(): Promise<string[]> {
    const rows = await database.query<Row>(
      `select id from key_encryption_keys where id = any($1) and retired_at is null
       order by first_used_at desc, id for share`,
      [own()],
    )
    return rows.map(({ id }) => id)
  }

  /** Locks the configured key, or the one that replaced it. */
  async function holdKey(): Promise<string> {
    let ids = await held()
    if (!ids.includes(envelopes.keyId)) {
      await register()
      ids = await held()
    }
    if (ids.includes(envelopes.keyId)) return envelopes.keyId
    const [successor] = ids
    if (successor !== undefined) return successor
    throw new DomainError('key_encryption_key_retired', {
      detail: faultIn(await all()) ?? 'all key-encryption keys of this process are retired',
    })
  }

  function faultIn(rows: Row[]): string | undefined {
    const isRetired = rows.some(({ id, retired_at }) => id === envelopes.keyId && retired_at)
    const sealing = rows.filter((row) => row.retired_at === null).map(({ id }) => id)
    const lacking = sealing.filter((id) => !own().includes(id))
    const successor = sealing.findLast((id) => own().includes(id))
    const names = lacking.join(' and ')
    if (isRetired && successor !== undefined) {
      return (
        `KEY_ENCRYPTION_KEY is key ${envelopes.keyId}, which a rotation has retired. Key ${successor} of ` +
        'KEY_ENCRYPTION_KEY_PREVIOUS seals in its place; set KEY_ENCRYPTION_KEY to that key, and restart this process.'
      )
    }
    if (isRetired) {
      return (
        `KEY_ENCRYPTION_KEY is key ${envelopes.keyId}, which a rotation has retired, and this process lacks key ` +
        `${names}. Set KEY_ENCRYPTION_KEY to that key, and restart this process.`
      )
    }
    if (lacking.length === 0) return undefined
    return (
      `Other processes seal under key ${names}, which this process lacks. Add it to KEY_ENCRYPTION_KEY_PREVIOUS, and restart ` +
      'this process.'
    )
  }

  return {
    open: envelopes.open,
    async seal(purpose, plain) {
      if (!database.current()?.isOpen()) throw new Error(`${purpose}: sealed outside a transaction`)
      return envelopes.seal(purpose, plain, await holdKey())
    },
    register,
    async retireOthers() {
      // In a transaction of its own: another may hold the lock on the old key and be registering the new one, too.
      await register()
      await database.transaction(async () => {
        if (!(await held()).includes(envelopes.keyId)) {
          throw new DomainError('key_encryption_key_invalid', {
            detail:
              `Key ${envelopes.keyId} was retired by an earlier rotation. A rotation needs a new one: ` +
              'openssl rand -base64 32.',
          })
        }
        await database.execute(
          'update key_encryption_keys set retired_at = $2 where id <> $1 and retired_at is null',
          [envelopes.keyId, now()],
        )
      })
    },
    async check() {
      const before = fault
      fault = faultIn(await all())
      if (fault === before) return
      if (fault === undefined) log.info('this process has all necessary key-encryption keys again')
      else log.error({ key_id: envelopes.keyId }, fault)
    },
    fault: () => fault,
  }
}
