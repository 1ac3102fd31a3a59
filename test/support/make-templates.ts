import { mkdir } from 'node:fs/promises'
import { makeTemplateDatabase, makeTemplateFolder } from './boot.ts'
import { copyCluster } from './postgres.ts'
import { startServices } from './services.ts'
import { templateName, templatesIn } from './templates.ts'

/**
 * Makes what the groups of a test run copy, so that not each of them creates clusters and migrates them. The modules that
 * it loads are compiled by then, too, for the processes that those start.
 *
 *     node test/support/make-templates.ts FOLDER
 *
 * The folder is empty and open to the user that Postgres runs as.
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
