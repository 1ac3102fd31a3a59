import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { settings } from '../../config/config.ts'
import { configReference, withSettingsTable } from '../../config/reference.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

describe('config/reference.md', () => {
  it('equals the output of config/write-reference.ts', () => {
    expect(read('config/reference.md')).to.equal(configReference())
  })

  it('has every setting once, with its values and meaning', () => {
    const names = Object.values(settings).map(({ env }) => env)
    expect(new Set(names)).to.have.property('size', names.length)
    for (const { env, schema, description } of Object.values(settings)) {
      expect(configReference()).to.include(`| \`${env}\` |`)
      expect(schema.description, env).to.be.a('string')
      expect(description, env).to.match(/\.$/)
    }
  })
})

describe('the settings in README.md', () => {
  it('equal the output of config/write-reference.ts', () => {
    expect(read('README.md')).to.equal(withSettingsTable(read('README.md')))
  })

  it('are complete', () => {
    for (const { env } of Object.values(settings)) {
      expect(read('README.md')).to.include(`\n| \`${env}\` |`)
    }
  })

  it('require exactly one place for them in the document', () => {
    expect(() => withSettingsTable('no markers')).to.throw('each once')
    expect(() => withSettingsTable(read('README.md').repeat(2))).to.throw('each once')
  })
})
