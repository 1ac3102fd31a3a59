import { z } from 'zod'
import { importedAccount } from '../accounts/account-document.ts'
import { clientMembers, declarationRules } from '../clients/client.ts'
import { type Fault, faultsOf } from '../faults.ts'
import { registrationPolicy } from '../registration/policy.ts'
import { resourceServerDeclaration } from '../resources/resource-server.ts'
import { signUpDeclaration, tenantDeclaration } from '../tenants/tenant.ts'
import { webhookDeclaration } from '../webhooks/webhook.ts'
import { invalid, type OperatorDocument } from './document.ts'
import { resolveSecret, type SecretSources } from './secret-reference.ts'
import { identities, keyOf } from './stored.ts'

/** With `disabled`, as set by the commands `disable` and `enable`; when absent, it stays. */
const client = clientMembers
  .extend({ client_secret: z.string().optional(), disabled: z.boolean().optional() })
  .superRefine(declarationRules)

const sections = {
  // Settings for all accounts of a tenant; absent ones stay.
  sign_up: signUpDeclaration.optional(),
  require_mfa: z.boolean().optional(),
  email_codes: z.boolean().optional(),
  resource_servers: z.array(resourceServerDeclaration).default([]),
  clients: z.array(client).default([]),
  accounts: z.array(importedAccount).default([]),
  webhooks: z.array(webhookDeclaration).default([]),
  registration: registrationPolicy.optional(),
}

const wholeTenant = tenantDeclaration.extend({ disabled: z.boolean().optional(), ...sections })

/** The apply file (architecture §12) with resolved secrets. Unknown members are refused everywhere, not ignored. */
export const applyDocument = z.strictObject({
  ...sections,
  tenants: z.array(wholeTenant).default([]),
})

export type ApplyDocument = z.infer<typeof applyDocument>
export type Sections = z.infer<z.ZodObject<typeof sections>>

/**
 * Validates a document and resolves its secrets in place: memory has no room for two copies of a large one.
 * @param tenant that the top-level sections belong to
 * @throws DomainError `apply_invalid` with every fault: where, what was expected, what was found
 */
export async function checkApplyFile(
  document: OperatorDocument,
  tenant: string,
  env: NodeJS.ProcessEnv,
): Promise<ApplyDocument> {
  const { content } = document
  const unresolved = await resolveSecrets(content, { env, folder: document.folder })
  const repeated = repetitions(content, tenant)
  const parsed = applyDocument.safeParse(content)
  if (parsed.success && unresolved.length + repeated.length === 0) return parsed.data
  const faults = [...unresolved, ...faultsOf(applyDocument, content), ...repeated]
  throw invalid('apply_invalid', document.name, faults)
}

type Lenient = Record<string, unknown>

function itemsOf(holder: Lenient, section: string): Array<[Lenient, number]> {
  const items = holder[section]
  if (!Array.isArray(items)) return []
  return items.flatMap((item: unknown, i) =>
    isObject(item) ? [[item, i] as [Lenient, number]] : [],
  )
}

function isObject(value: unknown): value is Lenient {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** All objects with sections, valid or not: the document itself and its tenants. */
function holdersOf(content: unknown): Array<[Lenient, PropertyKey[]]> {
  if (!isObject(content)) return []
  const tenants = itemsOf(content, 'tenants').map(([item, i]): [Lenient, PropertyKey[]] => [
    item,
    ['tenants', i],
  ])
  return [[content, []], ...tenants]
}

async function resolveSecrets(content: unknown, sources: SecretSources): Promise<Fault[]> {
  const faults: Fault[] = []
  for (const [holder, path] of holdersOf(content)) {
    for (const [section, member] of [
      ['clients', 'client_secret'],
      ['accounts', 'password'],
      ['accounts', 'password_hash'],
      ['webhooks', 'secret'],
    ] as const) {
      for (const [item, i] of itemsOf(holder, section)) {
        faults.push(...(await resolveSecret(item, member, [...path, section, i], sources)))
      }
    }
  }
  return faults
}

/** Duplicates, which would change back and forth at every apply. */
function repetitions(content: unknown, tenant: string): Fault[] {
  const seen = new Set<string>()
  const once = (key: unknown[], path: PropertyKey[], message: string): Fault[] => {
    const name = JSON.stringify(key)
    if (seen.has(name)) return [{ path, message }]
    seen.add(name)
    return []
  }
  return holdersOf(content).flatMap(([holder, path]) => {
    const id = path.length > 0 ? holder['id'] : tenant
    const itself = path.length > 0 ? once(['tenants', id], path, 'is declared twice') : []
    const parts = Object.entries(identities).flatMap(([section, member]) =>
      itemsOf(holder, section).flatMap(([item, i]) => {
        const value = item[member]
        if (typeof value !== 'string') return []
        const key = keyOf(section as keyof typeof identities, value)
        const place = [...path, section, i]
        return [
          ...once([id, section, key], place, `${value} is declared twice`),
          ...(section === 'resource_servers' && item['default'] === true
            ? once([id, 'default'], [...place, 'default'], 'another one is already the default')
            : []),
        ]
      }),
    )
    return [...itself, ...parts]
  })
}
