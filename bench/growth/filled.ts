import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { StorageKind } from '../../test/support/boot.ts'
import { emptyStorage, freshStorage } from '../../test/support/boot.ts'
import { copyCluster } from '../../test/support/postgres.ts'
import { services } from '../../test/support/root-hooks.ts'
import { furnish, type Storage } from '../servers/product.ts'
import { fill } from '../suite/fill.ts'

// The default: the number of devices per user is not a matter of growth.
const settings = { MAX_FAMILIES: '100' }

/** The folder of a Postgres cluster that an earlier run filled, if it exists. @param keep its folder */
export const keptCluster = (keep: string | undefined) =>
  keep !== undefined && existsSync(keep) ? keep : undefined

/** Storage with `count` rows of each kind; a database that already exists in the cluster is not filled again. */
async function filledWith(kind: StorageKind, count: number): Promise<[Storage, boolean]> {
  const say = (what: string) => console.log(`  ${String(count).padStart(8)}: ${what}`)
  const running = services()
  if (kind === 'embedded' || !running) {
    const storage = await furnish(await freshStorage('embedded'), settings)
    await fill(storage.env, count, say)
    return [storage, true]
  }
  const name = `growth_${count}`
  const [found] = await running.admin('select 1 from pg_database where datname = $1', [name])
  if (!found) await running.createDatabase(name)
  const where = { ...(await emptyStorage()), DATABASE_URL: running.databaseUrl(name) }
  const storage = await furnish(where, settings)
  if (!found) await fill(storage.env, count, say)
  return [storage, !found]
}

/**
 * Storage for each number of rows.
 * @param keep a folder that keeps the filled cluster for later runs, if any
 */
export async function filledStorages(
  kind: StorageKind,
  counts: number[],
  keep?: string,
): Promise<Map<number, Storage>> {
  const all = new Map<number, Storage>()
  let isNew = false
  for (const count of counts) {
    const began = performance.now()
    const [storage, filled] = await filledWith(kind, count)
    all.set(count, storage)
    isNew ||= filled
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    console.log(`  ${count} of each: ${filled ? 'filled' : 'found'} in ${seconds} s`)
  }
  const postgres = services()?.postgres
  if (keep !== undefined && isNew && postgres) {
    await postgres.stop()
    await rm(keep, { recursive: true, force: true })
    await copyCluster(postgres.data, keep)
    await postgres.start()
    console.log(`  kept in ${keep}`)
  }
  return all
}
