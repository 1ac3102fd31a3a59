import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { type AuditType, auditKinds, auditTypes } from '../../src/audit/kinds.ts'

describe('docs/audit.md', () => {
  const page = readFileSync(new URL('../../docs/audit.md', import.meta.url), 'utf8')
  const parts = page.split(/^## /m)
  const [common = ''] = parts
  const sections = parts.filter((part) => part.startsWith('`'))
  const membersIn = (text: string) =>
    [...text.matchAll(/^\| `([\w.]+)` \| (.{8,}\.) \|$/gm)].map(([, member = '']) => member)

  it('has every event type once, and no others', () => {
    const written = sections.map((section) => /^`(\S+)`\n/.exec(section)?.[1])
    expect(written).to.have.members([...auditTypes])
  })

  it('has the outcome, actor and retention of each type, in order', () => {
    const rows = [...page.matchAll(/^\| \[`([\w.]+)`\]\(#\w+\) \| (\w+) \| (\w+) \| (\d+) \|$/gm)]
    expect(rows.map((row) => row.slice(1))).to.deep.equal(
      Object.entries(auditKinds).map(([type, { outcome, actor, keep }]) => [
        type,
        outcome,
        actor,
        String(keep),
      ]),
    )
  })

  it('describes when each event is recorded, and its members', () => {
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

  it('has every member of each detail, and no others', () => {
    for (const section of sections) {
      const type = /^`(\S+)`\n/.exec(section)?.[1] as AuditType
      const named = [...section.matchAll(/`detail\.(\w+)`/g)].map(([, member]) => member)
      const allowed = Object.keys(auditKinds[type].detail.shape)
      expect([...new Set(named)], type).to.have.members(allowed)
    }
  })

  it('has no type with a member for a secret', () => {
    const secret =
      /secret|token|password|passphrase|cookie|handle|verifier|nonce|private|(^|_)(code|otp|pin)$/
    for (const type of auditTypes) {
      const members = Object.keys(auditKinds[type].detail.shape)
      expect(
        members.filter((member) => secret.test(member)),
        type,
      ).to.deep.equal([])
    }
  })
})
