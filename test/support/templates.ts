import { join } from 'node:path'

/** The database that others are copied from. */
export const templateName = 'keyturn_template'

/** The layout of the folder of `make-templates.ts`. */
export const templatesIn = (folder: string) => ({
  /** What `DATA_DIR` is after a first start on embedded storage. */
  embedded: join(folder, 'embedded'),
  /** A cluster of Postgres that is stopped, with the database `templateName` after a first start. */
  cluster: join(folder, 'cluster'),
})

const folder = process.env['TEST_TEMPLATES']

/**
 * Templates shared by all lanes of a run (`test/run.ts` creates them); `undefined` in a single run, which creates its
 * own.
 */
export const sharedTemplates = folder === undefined ? undefined : templatesIn(folder)
