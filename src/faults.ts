import { z } from 'zod'
import { distance } from '../config/distance.ts'
import { declaredSecrets, privateKeyMembers } from './secret-members.ts'

/** One fault of an operator's document. */
export interface Fault {
  path: PropertyKey[]
  message: string
}

/** As in `clients[0].redirect_uris[1]: …`. */
export function faultLine({ path, message }: Fault): string {
  const place = path
    .map((step, i) =>
      typeof step === 'number' ? `[${step}]` : `${i > 0 ? '.' : ''}${String(step)}`,
    )
    .join('')
  return place ? `${place}: ${message}` : message
}

/**
 * All faults that a schema finds in a document: where, what was expected, what was found. An unknown member does not
 * hide the other faults of its object.
 */
export function faultsOf(schema: z.ZodType, document: unknown): Fault[] {
  const first = issuesOf(schema, document)
  if (first.length === 0) return []
  const known = structuredClone(document)
  const unknown = first.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return []
    const holder = valueAt(known, issue.path)
    const members = membersAt(schema, issue.path)
    return issue.keys.map((key): Fault => {
      delete (holder as Record<string, unknown>)[key]
      const near = members.find((member) => isNear(key, member))
      const others = near ? `did you mean ${near}?` : `the members are ${members.join(', ')}`
      return { path: [...issue.path, key], message: `unknown member; ${others}` }
    })
  })
  const others = unknown.length > 0 ? issuesOf(schema, known) : first
  return [
    ...unknown,
    ...others.map((issue) => ({ path: issue.path, message: describe(issue, known) })),
  ]
}

/** Whether two names differ in one letter only, or in the spelling of other languages (`redirectUris`). */
function isNear(key: string, member: string): boolean {
  const plain = (name: string) => name.replaceAll(/[_-]/g, '').toLowerCase()
  return plain(member).length > 3 && distance(plain(key), plain(member)) <= 1
}

function issuesOf(schema: z.ZodType, document: unknown): z.core.$ZodIssue[] {
  return schema.safeParse(document).error?.issues ?? []
}

function describe(issue: z.core.$ZodIssue, document: unknown): string {
  const came = shown(valueAt(document, issue.path), issue.path)
  const { message } = issue
  if (issue.code === 'invalid_type') {
    return `expected ${words[issue.expected] ?? issue.expected}, got ${came}`
  }
  // Our own messages say more than the list of allowed values.
  if (issue.code === 'invalid_value' && message.startsWith('Invalid ')) {
    const values = issue.values.map(String).join(', ')
    return `expected ${issue.values.length > 1 ? 'one of ' : ''}${values}, got ${came}`
  }
  // The message may already say what was found.
  return / it is /.test(message) ? message : `${message}, got ${came}`
}

const words: Partial<Record<string, string>> = {
  string: 'a string',
  array: 'a list',
  object: 'an object',
  boolean: 'true or false',
  int: 'an integer',
  number: 'a number',
}

const notShown = 'a value that is not shown here'

const secretMembers: ReadonlySet<PropertyKey> = new Set(declaredSecrets)
const keyMembers: ReadonlySet<string> = new Set(privateKeyMembers)

/** A document as text in place of what it says, or a line of it that was taken for a text. */
const namesSecret = new RegExp(
  `(?:${declaredSecrets.join('|')}|["'](?:${privateKeyMembers.join('|')})["'])["']?\\s*[:=]|-----BEGIN [A-Z ]*PRIVATE KEY`,
)

/** Everything in this member is treated as a key set: any text in it may be a private key, in any form. */
const keySet = 'jwks'

function shown(value: unknown, path: PropertyKey[]): string {
  if (value === undefined) return 'nothing'
  if (path.some((step) => secretMembers.has(step))) return notShown
  const json = JSON.stringify(value, path.includes(keySet) ? hideOfKeys : hide)
  return json.length > 100 ? `${json.slice(0, 100)}…` : json
}

/**
 * The fault may be in a value that contains a secret: a list written as an object, a private key in place of a public
 * one.
 */
function hide(this: unknown, member: string, value: unknown): unknown {
  if (member === keySet && value !== undefined) return JSON.parse(JSON.stringify(value, hideOfKeys))
  const isOfKey = typeof this === 'object' && this !== null && 'kty' in this
  if (secretMembers.has(member) || (isOfKey && keyMembers.has(member))) return `(${notShown})`
  return typeof value === 'string' && namesSecret.test(value) ? `(${notShown})` : value
}

function hideOfKeys(member: string, value: unknown): unknown {
  return typeof value === 'string' || keyMembers.has(member) ? `(${notShown})` : value
}

function valueAt(document: unknown, path: PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, step) => (at as Record<PropertyKey, unknown> | null | undefined)?.[step],
    document,
  )
}

function membersAt(schema: z.ZodType, path: PropertyKey[]): string[] {
  let at: unknown = schema
  for (const step of [...path, undefined]) {
    while (at instanceof z.ZodDefault || at instanceof z.ZodOptional) at = at.unwrap()
    if (step === undefined) break
    if (at instanceof z.ZodArray) at = at.element
    else if (at instanceof z.ZodObject) at = at.shape[String(step)]
  }
  return at instanceof z.ZodObject ? Object.keys(at.shape) : []
}
