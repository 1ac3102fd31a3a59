import type { z } from 'zod'
import type { applyDocument } from '../../src/cli/apply-file.ts'
import { exportCommand } from '../../src/cli/export.ts'
import { jsonExport } from '../../src/cli/export-output.ts'
import type { Core } from '../../src/core.ts'

/** What `export --json` prints of a tenant, read. */
export async function exportedFrom(
  core: Core,
  tenant: string,
): Promise<Partial<z.infer<typeof applyDocument>>> {
  const print = jsonExport()
  let text = ''
  await exportCommand.execute(core, { tenant }, async (part) => {
    text += print.part(part)
  })
  return JSON.parse(text + print.end())
}
