import { expect } from 'chai'
import { type Issued, unusualIn } from '../../src/families/unusual.ts'

const minute = 60_000

/** A timeline with a step for each `minutes@address`; the first one starts the family. */
const line = (...steps: string[]): Issued[] =>
  steps.map((step, index) => {
    const [at = '', ip] = step.split('@')
    return { at: Number(at) * minute, rotated: index > 0, ...(ip ? { ip } : {}) }
  })

const [a, a2, b, c, v6, w6] = [
  '198.51.100.1',
  '198.51.100.250',
  '203.0.113.1',
  '192.0.2.1',
  '2001:db8:1::1',
  '2001:db8:2::1',
] as const

const every = (seconds: number, times: number) =>
  line(...Array.from({ length: times }, (_, i) => `${(i * seconds) / 60}@${a}`))

describe('families: unusual refreshes', () => {
  const judge = (recent: Issued[], { known = [] as string[], since = -1, isPublic = true } = {}) =>
    unusualIn({ known, recent, isPublic }, since).map(({ type }) => type.replace('family.', ''))

  for (const [what, recent, expected, more] of [
    ['the 11th within a minute', every(6, 12), ['refreshed_rapidly']],
    ['11 in more than a minute', every(6.1, 12), []],
    ['10 within a minute, and the first of the family', every(1, 11), []],
    ['refreshes that were checked before', every(6, 12), [], { since: 66_000 }],
    ['all in one network', line(`0@${a}`, `20@${a2}`), []],
    ['another network', line(`0@${a}`, `20@${b}`), ['network_changed']],
    [
      'another network, for a confidential client',
      line(`0@${a}`, `20@${b}`),
      [],
      { isPublic: false },
    ],
    ['a known network', line(`20@${b}`), [], { known: [a, b] }],
    ['an unknown network', line(`20@${c}`), ['network_changed'], { known: [a, b] }],
    ['the very first refresh', line(`20@${c}`), []],
    ['an unknown address', line(`0@${a}`, '20', `40@${a}`), []],
    [
      'two networks alternating within 10 minutes',
      line(`0@${a}`, `4@${b}`, `9@${a2}`),
      ['network_changed', 'networks_alternated'],
    ],
    ['back after more than 10 minutes', line(`0@${a}`, `4@${b}`, `11@${a}`), ['network_changed']],
    [
      'two known networks alternating',
      line(`0@${a}`, `4@${b}`, `9@${a}`),
      ['networks_alternated'],
      { known: [a, b] },
    ],
    [
      'three networks alternating',
      line(`0@${a}`, `1@${b}`, `2@${c}`, `3@${a}`),
      [],
      { known: [a, b, c] },
    ],
    [
      'IPv4 and IPv6 alternating',
      line(`0@${a}`, `1@${v6}`, `2@${a}`, `3@${v6}`),
      [],
      { known: [a, v6] },
    ],
    [
      'two IPv6 networks alternating',
      line(`0@${v6}`, `1@${a}`, `2@${w6}`, `3@${v6}`),
      ['networks_alternated'],
      { known: [a, v6, w6] },
    ],
    [
      'two networks alternating, checked before',
      line(`0@${a}`, `1@${b}`, `2@${a}`),
      [],
      { known: [a, b], since: 2 * minute },
    ],
  ] as Array<[string, Issued[], string[], Parameters<typeof judge>[1]?]>) {
    it(`${what}: ${expected.join(', ') || 'nothing'}`, () => {
      expect(judge(recent, more)).to.deep.equal(expected)
    })
  }

  it('are reported with both networks, and with whose request it was', () => {
    const recent = line(`20@${c}`).map((step) => ({ ...step, userAgent: 'curl/8' }))
    const [found] = unusualIn({ known: [a, b], recent, isPublic: true }, 0)
    expect(found).to.deep.equal({
      type: 'family.network_changed',
      by: { ip: c, userAgent: 'curl/8' },
      detail: { from: '203.0.113.0/24', to: '192.0.2.0/24' },
    })
  })
})
