import type { Platform } from '../platform.ts'
import type { Schedule } from './schedule.ts'
import type { SigningKeys } from './signing-keys.ts'

/** Registers metrics on the age of keys and on the next rotations. */
export function measureKeys({
  database,
  clock,
  metrics,
  signing,
  schedule,
}: Pick<Platform, 'database' | 'clock' | 'metrics'> & {
  signing: SigningKeys
  schedule: Schedule
}): void {
  /** Per algorithm, over the signing keys of all tenants. */
  async function times() {
    const now = clock.now()
    const rows = await database.query<{ alg: string; since: Date; until: Date }>(
      `select alg, min(activate_at) as since,
         min(coalesce(retire_at, activate_at + $2::float8 * interval '1 ms')) as until
       from signing_keys
       where revoked_at is null and activate_at <= $1 and (retire_at is null or retire_at > $1)
       group by alg`,
      [new Date(now), schedule.rotateEvery],
    )
    return rows.map(({ alg, since, until }) => ({
      alg,
      age: (now - since.getTime()) / 1000,
      left: (until.getTime() - now) / 1000,
    }))
  }
  metrics.gauge('keyturn_signing_key_age_seconds', async () =>
    (await times()).map(({ alg, age }) => [{ alg }, age]),
  )
  metrics.gauge('keyturn_signing_key_next_rotation_seconds', async () =>
    (await times()).map(({ alg, left }) => [{ alg }, left]),
  )
  metrics.gauge('keyturn_signing_keys_late', () => [[{}, signing.alarms().late]])
  metrics.gauge('keyturn_signing_keys_overdue', () => [[{}, signing.alarms().overdue]])
  metrics.gauge('keyturn_signing_ready', () => [[{}, signing.staleness() === undefined ? 1 : 0]])
}
