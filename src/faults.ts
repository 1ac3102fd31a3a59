import { z } from 'zod'

/** One thing that is wrong with a document of an operator. */
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
 * Everything that a schema finds wrong with a document: where, what was expected, what came.
 * An unknown member does not hide the other faults of the object that it is in.
 */
export function faultsOf(schema: z.ZodType, document: unknown): Fault[] {
  const first = issuesOf(schema, document)
  if (first.length === 0) return []
  const known = structuredClone(document)
  const unknown = first.flatMap((issue) => {
    if (issue.code !== 'unrecognized_keys') return []
    const holder = valueAt(known, issue.path)
    const message = `unknown member; the members are ${membersAt(schema, issue.path).join(', ')}`
    return issue.keys.map((key): Fault => {
      delete (holder as Record<string, unknown>)[key]
      return { path: [...issue.path, key], message }
    })
  })
  const others = unknown.length > 0 ? issuesOf(schema, known) : first
  return [
    ...unknown,
    ...others.map((issue) => ({ path: issue.path, message: describe(issue, known) })),
  ]
}

function issuesOf(schema: z.ZodType, document: unknown): z.core.$ZodIssue[] {
  return schema.safeParse(document).error?.issues ?? []
}

function describe(issue: z.core.$ZodIssue, document: unknown): string {
  const came = shown(valueAt(document, issue.path), issue.path)
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${words[issue.expected] ?? issue.expected}, got ${came}`
    case 'invalid_value':
      return `expected ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.map(String).join(', ')}, got ${came}`
    default:
      // Messages of our own may tell already what came.
      return / it is /.test(issue.message) ? issue.message : `${issue.message}, got ${came}`
  }
}

const words: Partial<Record<string, string>> = {
  string: 'a text',
  array: 'a list',
  object: 'an object',
  boolean: 'true or false',
  int: 'a whole number',
  number: 'a number',
}

const secretMembers: PropertyKey[] = ['client_secret', 'password', 'password_hash']

function shown(value: unknown, path: PropertyKey[]): string {
  if (value === undefined) return 'nothing'
  if (path.some((step) => secretMembers.includes(step))) return 'a value that is not shown here'
  const json = JSON.stringify(value)
  return json.length > 100 ? `${json.slice(0, 100)}…` : json
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
