import { z } from 'zod'
import type { Capabilities } from '../oidc/capabilities.ts'
import { defaultTenant, noSignUp } from '../tenants/tenant.ts'
import { type Command, type Emit, noParts } from './command.ts'
import { jsonExport, yamlExport } from './export-output.ts'
import {
  type ItemSection,
  type StoredItem,
  type StoredTenant,
  storedPages,
  storedTenants,
} from './stored.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject(ofTenant)

/** What the document is put together from, in its order. */
export type ExportPart =
  /** Members of the document, or of the next element of `tenants`. */
  | { members: Record<string, unknown>; ofTenant?: string }
  /** What comes next in one of its sections. */
  | { section: ItemSection; items: StoredItem[] }

/** The name that the default tenant has from the first migration. */
const firstName = 'Default'

/**
 * `export`: the sections of the apply file, without secrets and password hashes; to apply it changes nothing.
 * Of the default tenant it is the whole installation, of another one that tenant alone.
 */
export const exportCommand: Command<z.infer<typeof input>, null> = {
  input,
  prepare: tenantOption,
  async execute(core, { tenant }, emit = noParts) {
    await assertTenant(core, tenant)
    await core.database.unit(async (unit) => {
      await unit.open()
      // All as of one moment: an apply is there as a whole, or not at all, and waits for nobody who reads.
      await core.database.query('set transaction isolation level repeatable read, read only')
      await exportTo(emit, core, tenant)
      return true
    })
    return null
  },
  render: () => '',
  printer: (json) => (json ? jsonExport() : yamlExport()),
}

async function exportTo(emit: Emit, core: Capabilities, tenant: string): Promise<void> {
  const give = (part: ExportPart) => emit(part)
  const items = async (id: string) => {
    for await (const [section, some] of storedPages(core, id)) {
      if (some.length > 0) await give({ section, items: some })
    }
  }
  const all = await storedTenants(core)
  const own = all.find(({ id }) => id === tenant)
  if (own) {
    await give({ members: policyIn(own) })
    await items(tenant)
  }
  if (tenant !== defaultTenant) return
  for (const stored of all) {
    const { id, name, disabled } = stored
    // Its sections are at the top.
    const isOwn = id === defaultTenant
    if (isOwn && name === firstName) continue
    const policy = isOwn ? {} : policyIn(stored)
    await give({ members: { id, name, disabled, ...policy }, ofTenant: id })
    if (!isOwn) await items(id)
  }
}

/** What holds for everybody in a tenant, as far as it is not as it is from the start. */
function policyIn({ sign_up, require_mfa, email_codes, registration }: StoredTenant) {
  return {
    ...(sign_up.mode === noSignUp.mode ? {} : { sign_up }),
    ...(require_mfa ? { require_mfa } : {}),
    ...(email_codes ? { email_codes } : {}),
    ...(registration.mode === 'off' ? {} : { registration }),
  }
}
