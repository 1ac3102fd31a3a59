import { Document, isMap, isScalar } from 'yaml'
import { secretsOf } from '../clients/client.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import type { ExportedDocument } from './export.ts'

/**
 * YAML in which every client that has a secret says, in a comment, how to refer to it. As long as it is a comment, the
 * secret that is stored stays.
 */
export function renderExport(exported: ExportedDocument): string {
  const document = new Document(exported, { aliasDuplicateObjects: false })
  const taken = new Set<string>()
  for (const [tenant, clients] of clientsOf(exported)) {
    clients.forEach((client, i) => {
      if (secretsOf(client['token_endpoint_auth_method']) === 'none') return
      const name = variableFor(tenant, String(client['client_id']), taken)
      const place = tenant.path.concat('clients', i)
      const node = document.getIn(place, true)
      const second = isMap(node) ? node.items[1]?.key : undefined
      if (isScalar(second)) second.commentBefore = ` client_secret: { env: ${name} }`
    })
  }
  return document.toString().trimEnd()
}

interface Place {
  id: string
  path: Array<string | number>
}

function clientsOf(exported: ExportedDocument) {
  const { clients = [], tenants = [] } = exported
  const own: Place = { id: defaultTenant, path: [] }
  return [
    [own, clients] as const,
    ...tenants.map(({ id, clients: theirs = [] }, i): readonly [Place, typeof clients] => [
      { id, path: ['tenants', i] },
      theirs,
    ]),
  ]
}

/** `KEYTURN_SECRET_WEB`, `KEYTURN_SECRET_ACME_WEB` of the tenant acme; a number tells apart what would be the same. */
function variableFor({ id }: Place, clientId: string, taken: Set<string>): string {
  const words = id === defaultTenant ? clientId : `${id}_${clientId}`
  const name = `KEYTURN_SECRET_${words.toUpperCase().replace(/[^A-Z0-9]+/g, '_')}`
  for (let n = 1; ; n += 1) {
    const variable = n === 1 ? name : `${name}_${n}`
    if (taken.has(variable)) continue
    taken.add(variable)
    return variable
  }
}
