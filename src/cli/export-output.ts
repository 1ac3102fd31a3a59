import { Document, isMap, isScalar } from 'yaml'
import { secretsOf } from '../clients/client.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import type { PartPrinter } from './command.ts'
import type { ExportPart } from './export.ts'
import type { StoredItem } from './stored.ts'

/**
 * Prints YAML. A comment at every client with a secret shows how to reference one; while it is a comment, the stored
 * secret stays.
 */
export function yamlExport(): PartPrinter {
  const taken = new Set<string>()
  let tenant: string | undefined
  let section: string | undefined
  let isEmpty = true

  function textsOf(part: ExportPart): string[] {
    if ('members' in part)
      return Object.entries(part.members).map((member) => textOf(Object.fromEntries([member])))
    const { items } = part
    const texts = items.map((item) =>
      elementOf(
        part.section === 'clients' ? clientOf(tenant ?? defaultTenant, item, taken) : textOf(item),
      ),
    )
    return part.section === section ? texts : [`${part.section}:`, ...texts]
  }

  return {
    part(given) {
      const part = given as ExportPart
      const begins = 'members' in part ? part.ofTenant : undefined
      const isFirst = begins !== undefined && tenant === undefined
      tenant = begins ?? tenant
      const texts = textsOf(part)
      section = 'section' in part ? part.section : undefined
      if (texts.length > 0) isEmpty = false
      const placed = texts.map((text, at) => {
        if (tenant === undefined) return text
        return begins !== undefined && at === 0 ? elementOf(text) : within(text)
      })
      return linesIn(isFirst ? ['tenants:', ...placed] : placed)
    },
    end: () => (isEmpty ? '{}\n' : ''),
  }
}

const linesIn = (texts: string[]) => texts.map((text) => `${text}\n`).join('')

const textOf = (value: unknown) =>
  new Document(value, { aliasDuplicateObjects: false }).toString().trimEnd()

const within = (text: string) => `    ${text.replaceAll(/\n(?=[^\n])/g, '\n    ')}`

/** A list element. */
const elementOf = (text: string) => within(text).replace('    ', '  - ')

function clientOf(tenant: string, client: StoredItem, taken: Set<string>): string {
  const document = new Document(client, { aliasDuplicateObjects: false })
  const second = isMap(document.contents) ? document.contents.items[1]?.key : undefined
  if (secretsOf(client['token_endpoint_auth_method']) !== 'none' && isScalar(second)) {
    const name = variableFor(tenant, String(client['client_id']), taken)
    second.commentBefore = ` client_secret: { env: ${name} }`
  }
  return document.toString().trimEnd()
}

/**
 * The variable's name: `KEYTURN_SECRET_WEB`, or `KEYTURN_SECRET_ACME_WEB` in the tenant acme; a number resolves
 * collisions.
 */
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

/** As `JSON.stringify(…, null, 2)` would print all of it. */
export function jsonExport(): PartPrinter {
  let margin = '  '
  let isFirst = true
  let hasTenants = false
  let section: string | undefined
  let text = '{'

  const valueOf = (value: unknown, before: string) =>
    JSON.stringify(value, null, 2).replaceAll('\n', `\n${before}`)
  function member(name: string): void {
    text += `${isFirst ? '' : ','}\n${margin}${JSON.stringify(name)}: `
    isFirst = false
  }
  function close(): void {
    if (section !== undefined) text += `\n${margin}]`
    section = undefined
  }
  function beginTenant(): void {
    if (hasTenants) text += '\n    },\n    {'
    else {
      member('tenants')
      text += '[\n    {'
    }
    hasTenants = true
    isFirst = true
    margin = '      '
  }
  function put(part: ExportPart): void {
    if ('members' in part) {
      close()
      if (part.ofTenant !== undefined) beginTenant()
      for (const [name, value] of Object.entries(part.members)) {
        member(name)
        text += valueOf(value, margin)
      }
      return
    }
    const goesOn = part.section === section
    if (!goesOn) {
      close()
      member(part.section)
      text += '['
      section = part.section
    }
    for (const [at, item] of part.items.entries()) {
      text += `${goesOn || at > 0 ? ',' : ''}\n${margin}  ${valueOf(item, `${margin}  `)}`
    }
  }
  function given(): string {
    const made = text
    text = ''
    return made
  }

  return {
    part(part) {
      put(part as ExportPart)
      return given()
    },
    end() {
      close()
      if (hasTenants) text += '\n    }\n  ]'
      text += isFirst && !hasTenants ? '}\n' : '\n}\n'
      return given()
    },
  }
}
