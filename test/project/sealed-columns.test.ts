import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { sealedColumns } from '../../src/sealed-columns.ts'
import { entities } from '../../src/tables.ts'

const src = fileURLToPath(new URL('../../src', import.meta.url))
const read = (path: string) => readFileSync(join(src, path), 'utf8')

/** Modules that implement sealing and declare no columns. */
const machinery = ['secrets/seal.ts', 'secrets/sealed-column.ts', 'secrets/sealing-keys.ts']

describe('sealed columns (ASVS 11.1.1)', () => {
  const list = read('sealed-columns.ts')

  for (const path of globSync('**/*.ts', { cwd: src })) {
    const source = read(path)
    const purposes = [...source.matchAll(/(?<!artifacts)\.seal\(\s*([\w.]+)/g)].map(
      ([, name]) => name,
    )
    if (purposes.length === 0 || machinery.includes(path)) continue

    it(`of ${path} are in the list that rotation of the key-encryption key uses`, () => {
      const columns = [...source.matchAll(/export const (\w+): SealedColumn = \{/g)]
      expect(columns, 'declared SealedColumns').to.not.have.length(0)
      for (const [, name = ''] of columns) expect(list, 'src/sealed-columns.ts').to.include(name)
      expect(new Set(purposes), 'it seals only for the purpose of its column').to.have.keys(
        'purpose',
      )
    })
  }

  it('are of type text, and name the primary key of the table', () => {
    for (const { table, key, column } of sealedColumns) {
      const options = entities.find((entity) => entity.options.name === table)?.options.columns
      const primary = Object.entries(options ?? {}).filter(([, each]) => each?.primary)
      expect(primary.map(([name]) => name)).to.have.members(key)
      for (const name of [...key, column]) expect(options?.[name]?.type, name).to.equal('text')
    }
  })
})
