import { closeSync, fsyncSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The program that `embedded.ts` runs once, in a process of its own, to create a cluster: what initdb takes
 * (600 MB and some seconds of a blocked event loop) ends with it. Its argument is the folder to create.
 */
process.once('disconnect', () => process.exit(1))

const [folder] = process.argv.slice(2)
if (!folder) throw new Error('the folder of the new cluster is missing')
const { PGlite } = await import('@electric-sql/pglite')
const pglite = await PGlite.create(folder, { initDbStartParams: ['--no-sync'] })
await pglite.close()
syncTree(folder)
process.exit(0)

/** Everything must be on the disk before the folder gets its final name. */
function syncTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name)
    if (entry.isDirectory()) syncTree(child)
    else sync(child)
  }
  sync(path)
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}
