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

/** Parts of the document, in order. */
export type ExportPart =
  /** Members of the document, or of the next element of `tenants`. */
  | { members: Record<string, unknown>; ofTenant?: string }
  /** The next items of a section. */
  | { section: ItemSection; items: StoredItem[] }

/** The initial name of the default tenant. */
const firstName = 'Default'

/**
 * `export`: the sections of the apply file, without secrets and password hashes; applying it changes nothing. For the
 * default tenant it is the whole installation, for another one that tenant alone.
 */
export const exportCommand: Command<z.infer<typeof input>, null> = {
  input,
  prepare: tenantOption,
  async execute(core, { tenant }, emit = noParts) {
    await assertTenant(core, tenant)
    await core.database.unit(async (unit) => {
      await unit.open()
      // One snapshot: a concurrent apply is seen completely or not at all, and does not wait for readers.
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
    // The default tenant's sections are at the top level.
    const isOwn = id === defaultTenant
    if (isOwn && name === firstName) continue
    const policy = isOwn ? {} : policyIn(stored)
    await give({ members: { id, name, disabled, ...policy }, ofTenant: id })
    if (!isOwn) await items(id)
  }
}

/** The tenant's settings that differ from the defaults. */
function policyIn({ sign_up, require_mfa, email_codes, registration }: StoredTenant) {
  return {
    ...(sign_up.mode === noSignUp.mode ? {} : { sign_up }),
    ...(require_mfa ? { require_mfa } : {}),
    ...(email_codes ? { email_codes } : {}),
    ...(registration.mode === 'off' ? {} : { registration }),
  }
}
