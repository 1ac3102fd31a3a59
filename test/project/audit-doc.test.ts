import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { auditTypes } from '../../src/audit/audit.ts'

describe('docs/audit.md', () => {
  const page = readFileSync(new URL('../../docs/audit.md', import.meta.url), 'utf8')
  const [common = '', ...sections] = page.split(/^## /m)
  const membersIn = (text: string) =>
    [...text.matchAll(/^\| `([\w.]+)` \| (.{8,}\.) \|$/gm)].map(([, member = '']) => member)

  it('has every type of event once, and no other', () => {
    const written = sections.map((section) => /^`(\S+)`\n/.exec(section)?.[1])
    expect(written).to.have.members([...auditTypes])
  })

  it('says when each one is written, and its members', () => {
    const columns = membersIn(common)
    expect(columns).to.include.members(['at', 'type', 'detail'])
    for (const section of sections) {
      const [type = '', , sentence] = section.split('\n')
      expect(sentence, type).to.match(/^[A-Z].{30,}/)
      const members = membersIn(section)
      expect(members, type).to.not.deep.equal([])
      for (const member of members) {
        expect(columns, `${type} ${member}`).to.include(member.split('.')[0])
      }
    }
  })
})
