import { z } from 'zod'

/** Schemas that have a name in the OpenAPI document, and lists of them. */
const names = new Map<z.ZodType, string>()
const lists = new Map<z.ZodType, z.ZodType>()

export function named<Schema extends z.ZodType>(name: string, schema: Schema): Schema {
  names.set(schema, name)
  return schema
}

/** A page of a list; `next_cursor` exists when there are more. */
export function listOf(item: z.ZodType): z.ZodType {
  const list = z.strictObject({ items: z.array(item), next_cursor: z.string().optional() })
  lists.set(list, item)
  return list
}

type JsonSchema = Record<string, unknown>

/** A schema as JSON Schema 2020-12, the dialect of OpenAPI 3.1. */
export function jsonSchemaOf(
  schema: z.ZodType,
  io: 'input' | 'output',
  components: Record<string, JsonSchema>,
): JsonSchema {
  const item = lists.get(schema)
  if (item) {
    return {
      type: 'object',
      properties: {
        items: { type: 'array', items: jsonSchemaOf(item, io, components) },
        next_cursor: { type: 'string' },
      },
      required: ['items'],
      additionalProperties: false,
    }
  }
  const name = names.get(schema)
  const { $schema: _, ...plain } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  if (name === undefined) return plain
  components[name] = plain
  return { $ref: `#/components/schemas/${name}` }
}
