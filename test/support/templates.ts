import { join } from 'node:path'

/** The database that others are copied from. */
export const templateName = 'keyturn_template'

/** Where `make-templates.ts` puts things below its folder. */
export const templatesIn = (folder: string) => ({
  /** What `DATA_DIR` is after a first start on embedded storage. */
  embedded: join(folder, 'embedded'),
  /** A cluster of Postgres that is stopped, with the database `templateName` after a first start. */
  cluster: join(folder, 'cluster'),
})

const folder = process.env['TEST_TEMPLATES']

/**
 * Storage after its first start that several test runs copy (`test/run.ts` makes it for its groups); `undefined` in a
 * run that stands alone, which makes what it needs by itself.
 */
export const sharedTemplates = folder === undefined ? undefined : templatesIn(folder)
