import { EntitySchema, type EntitySchemaColumnOptions } from 'typeorm'

/** Column types; `nullable` makes one nullable. */
export const column = {
  text: { type: 'text' },
  texts: { type: 'text', array: true },
  json: { type: 'jsonb' },
  time: { type: 'timestamptz' },
  flag: { type: 'boolean' },
  count: { type: 'integer' },
  /** Read as a string. */
  long: { type: 'bigint' },
} satisfies Record<string, EntitySchemaColumnOptions>

export function nullable(of: EntitySchemaColumnOptions): EntitySchemaColumnOptions {
  return { ...of, nullable: true }
}

interface Table {
  columns: Record<string, EntitySchemaColumnOptions>
  key: string[]
  /** Constraint name suffix → [table, own columns, their columns]. */
  references?: Record<string, [table: string, own: string[], theirs: string[]]>
  unique?: Record<string, string[]>
  index?: Record<string, string[] | { columns: string[]; unique?: true; where: string }>
  /** Constraint name suffixes; the expressions are in the migrations alone. */
  check?: string[]
}

/**
 * The TypeORM mapping of a table. Migrations create the table, and a test proves that both agree; so every constraint
 * is named here by the same rule: pk_<table>, fk_<table>_<x>, uq_<table>_<x>, ix_<table>_<x>, ck_<table>_<x>.
 */
export function table(
  name: string,
  { columns, key, references, unique, index, check }: Table,
): EntitySchema {
  return new EntitySchema({
    name,
    tableName: name,
    columns: Object.fromEntries(
      Object.entries(columns).map(([columnName, options]) => [
        columnName,
        key.includes(columnName)
          ? { ...options, primary: true, primaryKeyConstraintName: `pk_${name}` }
          : options,
      ]),
    ),
    foreignKeys: Object.entries(references ?? {}).map(([suffix, [target, own, theirs]]) => ({
      name: `fk_${name}_${suffix}`,
      target,
      columnNames: own,
      referencedColumnNames: theirs,
      onDelete: 'CASCADE' as const,
    })),
    uniques: Object.entries(unique ?? {}).map(([suffix, of]) => ({
      name: `uq_${name}_${suffix}`,
      columns: of,
    })),
    checks: (check ?? []).map((suffix) => ({ name: `ck_${name}_${suffix}`, expression: '' })),
    indices: Object.entries(index ?? {}).map(([suffix, of]) =>
      Array.isArray(of)
        ? { name: `ix_${name}_${suffix}`, columns: of }
        : {
            name: `${of.unique ? 'uq' : 'ix'}_${name}_${suffix}`,
            columns: of.columns,
            unique: of.unique ?? false,
            where: of.where,
          },
    ),
  })
}

/** The foreign key that nearly every table has (architecture §4: a cross-tenant reference cannot be stored). */
export const ofTenant: [string, string[], string[]] = ['tenants', ['tenant_id'], ['id']]
