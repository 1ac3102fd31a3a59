import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { migrations } from '../../migrations/index.ts'

/** The last migration of the first release; later ones run while nodes serve. */
const ofFirstRelease = 34

/** From this migration on, a migration that drops something must declare it in `schema_needs`. */
const ofNeeds = 39

const files = readdirSync('migrations').filter((name) => /^\d{4}-/.test(name))

const upOf = (text: string) => /const up = `([^`]*)`/.exec(text)?.[1] ?? ''

/** Whether a process of the previous release may need what a migration drops. */
const dropsOrRenames = (up: string) => /\bdrop (column|table)\b|\brename\b/i.test(up)

/** Indexes that a migration creates within its transaction on existing tables. */
function locking(text: string): string[] {
  const up = upOf(text)
  const own = new Set([...up.matchAll(/create table (\w+)/g)].map(([, table]) => table))
  return [...up.matchAll(/create (?:unique )?index (\w+)\s+on (\w+)/g)].flatMap(
    ([, name, table]) => (own.has(table) ? [] : (name ?? [])),
  )
}

describe('migrations', () => {
  it('do not block writers while an index is created (R-16)', () => {
    const found = (isNew: boolean) =>
      files
        .filter((name) => Number.parseInt(name, 10) > ofFirstRelease === isNew)
        .flatMap((name) => locking(readFileSync(`migrations/${name}`, 'utf8')))
    expect(found(true), 'declare them instead: migrations/migration.ts').to.deep.equal([])
    expect(found(false), 'the pattern of this test matches').to.include('ix_families_created')
  })

  it('that drop something declare the migration that processes must know (R-16)', () => {
    const silent = files
      .filter((name) => Number.parseInt(name, 10) > ofNeeds)
      .map((name) => ({ name, up: upOf(readFileSync(`migrations/${name}`, 'utf8')) }))
      .filter(({ up }) => dropsOrRenames(up) && !up.includes('insert into schema_needs'))
    expect(
      silent.map(({ name }) => name),
      'migrations/0039-schema-needs.ts',
    ).to.deep.equal([])
    const statements = [
      'alter table a drop column b;',
      'DROP TABLE a;',
      'alter table a rename b to c;',
    ]
    expect(statements.filter(dropsOrRenames), 'the pattern of this test matches').to.deep.equal(
      statements,
    )
    expect(dropsOrRenames('create table renamed (dropped text);')).to.equal(false)
  })

  it('defer only indexes with a conventional name that are not unique', () => {
    const left = migrations.flatMap((Each) => Object.entries(new Each().indexes ?? {}))
    expect(left).to.have.length.above(0)
    for (const [name, on] of left) {
      const [, table] = /^(\w+) \(.+\)/.exec(on) ?? []
      expect(name).to.match(new RegExp(`^ix_${table}_\\w+$`))
    }
  })
})
