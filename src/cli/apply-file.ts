import { z } from 'zod'
import { identifierKey, roles } from '../accounts/account.ts'
import { readImportedHash } from '../accounts/imported-hash.ts'
import { clientMetadata, secretFault } from '../clients/client.ts'
import { resourceServerDeclaration } from '../resources/resource-server.ts'
import { domainKey, signUpModes, tenantIdPattern } from '../tenants/tenant.ts'
import { webhookDeclaration } from '../webhooks/webhook.ts'
import { invalid, type OperatorDocument } from './document.ts'
import { type Fault, faultsOf } from './faults.ts'
import { resolveSecret, type SecretSources } from './secret-reference.ts'

/** The apply file (architecture §12), secrets resolved. An unknown member anywhere is refused, not ignored. */
export const clientDeclaration = clientMetadata
  .safeExtend({ client_secret: z.string().optional() })
  .superRefine((client, context) => {
    if (client.client_secret === undefined) return
    const message = secretFault(client.token_endpoint_auth_method, client.client_secret)
    if (message) context.addIssue({ code: 'custom', path: ['client_secret'], message })
  })

const line = z.string().regex(/^\P{Cc}{1,200}$/u, {
  error: 'must be 1 to 200 characters without control characters',
})

/** What another system stored; verified as it is, replaced at the first sign-in. */
const passwordHash = z.string().superRefine((text, context) => {
  const read = readImportedHash(text)
  if (typeof read === 'string') context.addIssue({ code: 'custom', message: read })
})

export const accountDeclaration = z.strictObject({
  email: z
    .string()
    .max(254)
    .regex(/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u, { error: 'must be an e-mail address' }),
  username: line
    .refine((name) => !identifierKey(name).includes('@') && name === name.trim(), {
      error: 'must have no "@", so that it can never be an e-mail address, and no space around it',
    })
    .optional(),
  name: line.optional(),
  password: z.string().optional(),
  email_verified: z.boolean().optional(),
  roles: z.array(z.enum(roles)).optional(),
  disabled: z.boolean().optional(),
})

const declaredAccount = accountDeclaration
  .extend({ password_hash: passwordHash.optional() })
  .refine(({ password, password_hash: hash }) => password === undefined || hash === undefined, {
    path: ['password_hash'],
    error: 'must not stand beside password: an account has one of them',
  })

const domain = z
  .string()
  .refine((text) => /^[^.@*\s]+(\.[^.@*\s]+)*$/u.test(text) && domainKey(text) !== '', {
    error: 'must be a domain such as example.com: exactly what follows the "@", no wildcard',
  })
  .transform(domainKey)

/** Who may come to have an account (`SignUp`). */
const signUp = z
  .strictObject({
    mode: z.enum(signUpModes),
    domains: z.array(domain).max(1000).default([]),
  })
  .refine(({ mode, domains }) => mode === 'open' || domains.length === 0, {
    path: ['domains'],
    error: 'are for the mode open alone: elsewhere nobody signs up by themselves',
  })

const sections = {
  // What holds for everybody in a tenant; what is absent stays as it is.
  sign_up: signUp.optional(),
  require_mfa: z.boolean().optional(),
  email_codes: z.boolean().optional(),
  resource_servers: z.array(resourceServerDeclaration).default([]),
  clients: z.array(clientDeclaration).default([]),
  accounts: z.array(declaredAccount).default([]),
  webhooks: z.array(webhookDeclaration).default([]),
}

const tenantDeclaration = z.strictObject({
  id: z.string().regex(tenantIdPattern, {
    error: 'must be 1 to 63 lower-case letters, digits and hyphens',
  }),
  name: line,
  ...sections,
})

export const applyDocument = z.strictObject({
  ...sections,
  tenants: z.array(tenantDeclaration).default([]),
})

export type ApplyDocument = z.infer<typeof applyDocument>
export type Sections = z.infer<z.ZodObject<typeof sections>>

/**
 * Checks a document and resolves its secrets.
 * @param tenant whose the sections at the top are
 * @throws DomainError `apply_invalid` with every fault: where, what was expected, what came
 */
export async function checkApplyFile(
  document: OperatorDocument,
  tenant: string,
  env: NodeJS.ProcessEnv,
): Promise<ApplyDocument> {
  const content = structuredClone(document.content)
  const faults = [
    ...(await resolveSecrets(content, { env, folder: document.folder })),
    ...faultsOf(applyDocument, content),
    ...repetitions(content, tenant),
  ]
  if (faults.length > 0) throw invalid('apply_invalid', document.name, faults)
  return applyDocument.parse(content)
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

/** Every holder of sections, valid or not: the document itself and its tenants. */
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

const identities = {
  resource_servers: 'identifier',
  clients: 'client_id',
  accounts: 'email',
  webhooks: 'url',
}

/** What is declared twice would change again at every apply. */
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
        const key = section === 'accounts' ? identifierKey(value) : value
        const place = [...path, section, i]
        return [
          ...once([id, section, key], place, `${value} is declared twice`),
          ...(section === 'resource_servers' && item['default'] === true
            ? once([id, 'default'], [...place, 'default'], 'another one is the default already')
            : []),
        ]
      }),
    )
    return [...itself, ...parts]
  })
}
