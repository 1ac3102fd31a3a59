import { mkdir } from 'node:fs/promises'
import { makeTemplateDatabase, makeTemplateFolder } from './boot.ts'
import { copyCluster } from './postgres.ts'
import { startServices } from './services.ts'
import { templateName, templatesIn } from './templates.ts'

/**
 * Creates the storage templates that all lanes of a test run copy, so that not each creates clusters and migrates. Also
 * compiles the modules that they load, for the processes started later.
 *
 *     node test/support/make-templates.ts FOLDER
 *
 * The folder must be empty and accessible to the user that Postgres runs as.
 */
const [folder] = process.argv.slice(2)
if (!folder) throw new Error('the folder of the templates is missing')
const { embedded, cluster } = templatesIn(folder)

async function makeCluster(): Promise<void> {
  const services = await startServices()
  // Without the programs of Postgres and Redis no test asks for it.
  if (!services) return
  await services.createDatabase(templateName)
  await makeTemplateDatabase(services, templateName)
  await services.postgres.stop()
  await copyCluster(services.postgres.data, cluster)
  await services.stop()
}

await mkdir(embedded)
await Promise.all([
  makeTemplateFolder(embedded),
  makeCluster(),
  import('../../src/cli/serve.ts'),
  import('../../src/cli/run.ts'),
  import('../../src/cli/doctor.ts'),
])
