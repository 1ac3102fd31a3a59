import { z } from 'zod'
import type { Capabilities } from '../oidc/capabilities.ts'
import { defaultTenant, noSignUp } from '../tenants/tenant.ts'
import type { Command } from './command.ts'
import { renderExport } from './export-output.ts'
import {
  lockDeclared,
  type StoredSections,
  type StoredTenant,
  storedSections,
  storedTenants,
} from './stored.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject(ofTenant)

/** What holds for everybody in a tenant, as far as it is not as it is from the start; sections that have items. */
type ExportedTenant = Partial<StoredSections> & Policy
type Policy = Partial<Omit<StoredTenant, 'id' | 'name' | 'disabled'>>

/** The apply file. */
export type ExportedDocument = ExportedTenant & {
  tenants?: Array<{ id: string; name: string; disabled: boolean } & ExportedTenant>
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
  const all = await storedTenants(core)
  const whole = async (stored: StoredTenant) => ({
    ...policyIn(stored),
    ...withItems(await storedSections(core, stored.id)),
  })
  const itself = all.find(({ id }) => id === tenant)
  const own = itself ? await whole(itself) : {}
  if (tenant !== defaultTenant) return own
  const tenants: ExportedDocument['tenants'] = []
  for (const stored of all) {
    const { id, name, disabled } = stored
    // Its sections are at the top.
    if (id !== defaultTenant) tenants.push({ id, name, disabled, ...(await whole(stored)) })
    else if (name !== firstName) tenants.push({ id, name, disabled })
  }
  return { ...own, ...(tenants.length > 0 ? { tenants } : {}) }
}

function policyIn({ sign_up, require_mfa, email_codes, registration }: StoredTenant): Policy {
  return {
    ...(sign_up.mode === noSignUp.mode ? {} : { sign_up }),
    ...(require_mfa ? { require_mfa } : {}),
    ...(email_codes ? { email_codes } : {}),
    ...(registration.mode === 'off' ? {} : { registration }),
  }
}

function withItems(sections: StoredSections): Partial<StoredSections> {
  return Object.fromEntries(Object.entries(sections).filter(([, items]) => items.length > 0))
}
