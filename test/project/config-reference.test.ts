import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { settings } from '../../config/config.ts'
import { configReference } from '../../config/reference.ts'

describe('config/reference.md', () => {
  it('is what config/write-reference.ts writes', () => {
    const written = readFileSync(new URL('../../config/reference.md', import.meta.url), 'utf8')
    expect(written).to.equal(configReference())
  })

  it('tells every setting once, what it accepts and what it means', () => {
    const names = Object.values(settings).map(({ env }) => env)
    expect(new Set(names)).to.have.property('size', names.length)
    for (const { env, schema, description } of Object.values(settings)) {
      expect(configReference()).to.include(`| \`${env}\` |`)
      expect(schema.description, env).to.be.a('string')
      expect(description, env).to.match(/\.$/)
    }
  })
})
