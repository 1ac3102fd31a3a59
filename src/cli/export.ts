import { z } from 'zod'
import type { Capabilities } from '../oidc/capabilities.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import type { Command } from './command.ts'
import { renderExport } from './export-output.ts'
import { lockDeclared, type StoredSections, storedSections } from './stored.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject(ofTenant)

/** The apply file; sections without items are absent. */
export type ExportedDocument = Partial<StoredSections> & {
  tenants?: Array<{ id: string; name: string; disabled: boolean } & Partial<StoredSections>>
}

/** The name that the default tenant has from the first migration. */
const firstName = 'Default'

/**
 * `export`: the sections of the apply file, without secrets and password hashes; to apply it changes nothing.
 * Of the default tenant it is the whole installation, of another one that tenant alone.
 */
export const exportCommand: Command<z.infer<typeof input>, ExportedDocument> = {
  input,
  prepare: tenantOption,
  async execute(core, { tenant }) {
    await assertTenant(core, tenant)
    let exported: ExportedDocument = {}
    await core.database.unit(async (unit) => {
      await unit.open()
      await lockDeclared(core, 'shared')
      exported = await exportOf(core, tenant)
      return true
    })
    return exported
  },
  render: renderExport,
}

async function exportOf(core: Capabilities, tenant: string): Promise<ExportedDocument> {
  const own = withItems(await storedSections(core, tenant))
  if (tenant !== defaultTenant) return own
  const tenants: ExportedDocument['tenants'] = []
  for (const { id, name, disabled } of await core.tenants.list()) {
    // Its sections are at the top.
    if (id !== defaultTenant) {
      tenants.push({ id, name, disabled, ...withItems(await storedSections(core, id)) })
    } else if (name !== firstName) tenants.push({ id, name, disabled })
  }
  return { ...own, ...(tenants.length > 0 ? { tenants } : {}) }
}

function withItems(sections: StoredSections): Partial<StoredSections> {
  return Object.fromEntries(Object.entries(sections).filter(([, items]) => items.length > 0))
}
