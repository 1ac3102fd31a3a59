import { closeSync, fsyncSync, openSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/**
 * `embedded.ts` runs this program once, as a child process, to create a cluster. initdb takes 600 MB and blocks the
 * event loop for some seconds; in a child process the memory is freed when it ends. Argument: the folder to create.
 */
process.once('disconnect', () => process.exit(1))

const [folder] = process.argv.slice(2)
if (!folder) throw new Error('the folder of the new cluster is missing')
const { PGlite } = await import('@electric-sql/pglite')
const pglite = await PGlite.create(folder, { initDbStartParams: ['--no-sync'] })
await pglite.close()
syncTree(folder)
process.exit(0)

/** Everything must be on disk before the folder gets its final name. */
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
