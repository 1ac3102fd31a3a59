import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { migrations } from '../../migrations/index.ts'

/** The last of those that the first release applies to empty databases; what follows is for nodes that serve. */
const ofFirstRelease = 34

/** The one from which on whoever takes something away says so. */
const ofNeeds = 39

const files = readdirSync('migrations').filter((name) => /^\d{4}-/.test(name))

const upOf = (text: string) => /const up = `([^`]*)`/.exec(text)?.[1] ?? ''

/** Whether a process of the release before may lack what a migration takes away. */
const takesAway = (up: string) => /\bdrop (column|table)\b|\brename\b/i.test(up)

/** Indexes that a migration makes in its transaction on tables that were there before. */
function locking(text: string): string[] {
  const up = upOf(text)
  const own = new Set([...up.matchAll(/create table (\w+)/g)].map(([, table]) => table))
  return [...up.matchAll(/create (?:unique )?index (\w+)\s+on (\w+)/g)].flatMap(
    ([, name, table]) => (own.has(table) ? [] : (name ?? [])),
  )
}

describe('migrations', () => {
  it('keep no writer of a table waiting for an index (R-16)', () => {
    const found = (isNew: boolean) =>
      files
        .filter((name) => Number.parseInt(name, 10) > ofFirstRelease === isNew)
        .flatMap((name) => locking(readFileSync(`migrations/${name}`, 'utf8')))
    expect(found(true), 'declare them: migrations/migration.ts').to.deep.equal([])
    expect(found(false), 'this test finds them').to.include('ix_families_created')
  })

  it('say which one a process must know when they take something away (R-16)', () => {
    const silent = files
      .filter((name) => Number.parseInt(name, 10) > ofNeeds)
      .map((name) => ({ name, up: upOf(readFileSync(`migrations/${name}`, 'utf8')) }))
      .filter(({ up }) => takesAway(up) && !up.includes('insert into schema_needs'))
    expect(
      silent.map(({ name }) => name),
      'migrations/0039-schema-needs.ts',
    ).to.deep.equal([])
    const statements = [
      'alter table a drop column b;',
      'DROP TABLE a;',
      'alter table a rename b to c;',
    ]
    expect(statements.filter(takesAway), 'this test finds them').to.deep.equal(statements)
    expect(takesAway('create table renamed (dropped text);')).to.equal(false)
  })

  it('leave for afterwards what is named as the others are, and is not unique', () => {
    const left = migrations.flatMap((Each) => Object.entries(new Each().indexes ?? {}))
    expect(left).to.have.length.above(0)
    for (const [name, on] of left) {
      const [, table] = /^(\w+) \(.+\)/.exec(on) ?? []
      expect(name).to.match(new RegExp(`^ix_${table}_\\w+$`))
    }
  })
})
