import { Document, isMap, isScalar } from 'yaml'
import { secretsOf } from '../clients/client.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import type { ExportedDocument } from './export.ts'
import type { StoredItem } from './stored.ts'

/**
 * YAML in which every client that has a secret says, in a comment, how to refer to it. As long as it is a comment, the
 * secret that is stored stays. It is put together item by item: as one document a million of them would not fit.
 */
export function renderExport({ tenants = [], ...own }: ExportedDocument): string {
  const taken = new Set<string>()
  const lines = [
    ...membersOf(defaultTenant, own, taken),
    ...(tenants.length > 0 ? ['tenants:'] : []),
    ...tenants.map((each) => elementOf(membersOf(each.id, each, taken).join('\n'))),
  ]
  return lines.length === 0 ? '{}' : lines.join('\n')
}

/** Each with its value, in their order. */
function membersOf(tenant: string, members: object, taken: Set<string>): string[] {
  return Object.entries(members).flatMap(([name, value]: [string, unknown]) => {
    const items = name === 'clients' ? (value as StoredItem[]) : undefined
    if (items) return [`${name}:`, ...items.map((each) => elementOf(clientOf(tenant, each, taken)))]
    if (Array.isArray(value)) return [`${name}:`, ...value.map((each) => elementOf(textOf(each)))]
    return textOf({ [name]: value })
  })
}

const textOf = (value: unknown) =>
  new Document(value, { aliasDuplicateObjects: false }).toString().trimEnd()

/** An element of the list above it. */
const elementOf = (text: string) => `  - ${text.replaceAll(/\n(?=[^\n])/g, '\n    ')}`

function clientOf(tenant: string, client: StoredItem, taken: Set<string>): string {
  const document = new Document(client, { aliasDuplicateObjects: false })
  const second = isMap(document.contents) ? document.contents.items[1]?.key : undefined
  if (secretsOf(client['token_endpoint_auth_method']) !== 'none' && isScalar(second)) {
    const name = variableFor(tenant, String(client['client_id']), taken)
    second.commentBefore = ` client_secret: { env: ${name} }`
  }
  return document.toString().trimEnd()
}

/** `KEYTURN_SECRET_WEB`, `KEYTURN_SECRET_ACME_WEB` of the tenant acme; a number tells apart what would be the same. */
function variableFor(tenant: string, clientId: string, taken: Set<string>): string {
  const words = tenant === defaultTenant ? clientId : `${tenant}_${clientId}`
  const name = `KEYTURN_SECRET_${words.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}`
  for (let n = 1; ; n += 1) {
    const variable = n === 1 ? name : `${name}_${n}`
    if (taken.has(variable)) continue
    taken.add(variable)
    return variable
  }
}
