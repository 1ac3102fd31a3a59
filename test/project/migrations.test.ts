import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'chai'
import { migrations } from '../../migrations/index.ts'

/** The last of those that the first release applies to empty databases; what follows is for nodes that serve. */
const ofFirstRelease = 34

const files = readdirSync('migrations').filter((name) => /^\d{4}-/.test(name))

/** Indexes that a migration makes in its transaction on tables that were there before. */
function locking(text: string): string[] {
  const up = /const up = `([^`]*)`/.exec(text)?.[1] ?? ''
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

  it('leave for afterwards what is named as the others are, and is not unique', () => {
    const left = migrations.flatMap((Each) => Object.entries(new Each().indexes ?? {}))
    expect(left).to.have.length.above(0)
    for (const [name, on] of left) {
      const [, table] = /^(\w+) \(.+\)/.exec(on) ?? []
      expect(name).to.match(new RegExp(`^ix_${table}_\\w+$`))
    }
  })
})
