import { readFileSync } from 'node:fs'
import { expect } from 'chai'
import { limits } from '../../src/limits/limits.ts'
import { device, devices, strangers } from '../../src/lockouts/lockout.ts'

/** ASVS 6.1.1: the documentation matches the implementation. */
describe('limits in docs/security.md', () => {
  const page = readFileSync(new URL('../../docs/security.md', import.meta.url), 'utf8')
  const section = (title: string) =>
    page.split(/^## /m).find((text) => text.startsWith(`${title}\n`)) ?? ''

  it('have every rate limit with its figures, in order, and no others (ASVS 6.1.1)', () => {
    const rows = [
      ...section('Rate limits').matchAll(/^\| `(\w+)` \| ([\d,]+) \| (\d+) min \| (.+) \|$/gm),
    ]
    const written = rows.map(([, name, most = '', minutes, counts]) => [
      name,
      { most: Number(most.replaceAll(',', '')), window: Number(minutes) * 60, counts },
    ])
    expect(Object.fromEntries(written)).to.deep.equal(limits)
    expect(written.map(([name]) => name)).to.deep.equal(Object.keys(limits))
  })

  it('have the figures of lock-out, which add up to a hundred (ASVS 6.1.1, 6.3.1)', () => {
    const text = section('Guessing a password')
    const time = (seconds: number) =>
      seconds % 3600 === 0
        ? `${seconds / 3600} h`
        : seconds % 60 === 0
          ? `${seconds / 60} min`
          : `${seconds} s`
    for (const [who, row, most] of [
      ['Strangers, all together', strangers, `${strangers.most}`],
      ['A browser known to the account', device, `${device.most}, then it is a stranger`],
    ] as const) {
      expect(text).to.include(
        `\n| ${who} | ${row.free} | ${time(row.pause)}, doubled, up to ${time(row.longest)} | ${most} |\n`,
      )
    }
    expect(text).to.include(`\n| All known browsers together | | | ${devices.most} |\n`)
    expect(strangers.most + devices.most).to.equal(100)
  })
})
