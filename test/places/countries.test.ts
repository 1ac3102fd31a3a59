import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { loadConfig } from '../../config/load.ts'
import { checkCountries } from '../../src/cli/doctor-countries.ts'
import { isDomainError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { openCountries } from '../../src/places/countries.ts'
import { temporaryFolder } from '../support/child.ts'
import { mmdb } from '../support/mmdb.ts'

describe('countries of addresses', () => {
  let path: string
  let lines: string[]
  const log = createLog({
    level: 'info',
    destination: { write: (line: string) => void lines.push(line) },
  })
  const file = mmdb({
    '198.51.100.0/24': 'DE',
    '203.0.113.0/25': 'FR',
    '2001:db8:7::/48': 'JP',
    '192.0.2.0/24': { country: { iso_code: 'not a code' } },
    '192.0.3.0/24': { registered_country: { iso_code: 'US' } },
  })
  beforeEach(async () => {
    path = join(await temporaryFolder('countries'), 'test.mmdb')
    lines = []
    await writeFile(path, file)
  })
  const replace = async (bytes: Buffer) => {
    await writeFile(`${path}.new`, bytes)
    await rename(`${path}.new`, path)
  }
  const faultOf = () =>
    openCountries(path, log).then(
      () => 'none',
      (error: unknown) => (isDomainError(error, 'config_invalid') ? error.detail : error),
    )

  it('are found for IPv4 and IPv6, and are undefined if the file has none', async () => {
    const countries = await openCountries(path, log)
    for (const [ip, country] of [
      ['198.51.100.7', 'DE'],
      ['203.0.113.1', 'FR'],
      ['203.0.113.129', undefined],
      ['2001:db8:7:1::1', 'JP'],
      ['2001:db8:8::1', undefined],
      ['127.0.0.1', undefined],
      ['192.0.2.1', undefined],
      ['192.0.3.1', undefined],
      ['unknown', undefined],
    ] as const) {
      expect(countries.of(ip), ip).to.equal(country)
    }
    expect((await openCountries(undefined, log)).of('198.51.100.7')).to.equal(undefined)
  })

  it('require a complete country database at startup', async () => {
    await writeFile(path, file.subarray(0, 400))
    expect(await faultOf()).to.match(/^GEOIP_DATABASE .*test\.mmdb: expected a MaxMind DB file/)
    await writeFile(path, file.subarray(700))
    expect(await faultOf()).to.match(/truncated/)
    await writeFile(path, mmdb({ '198.51.100.0/24': 'DE' }, 'Test-ASN'))
    expect(await faultOf()).to.match(/expected a database of countries or cities, got Test-ASN/)
    path += '.missing'
    expect(await faultOf()).to.match(/missing: ENOENT/)
  })

  it('are reloaded from a new file; an invalid one is logged once and the old one stays in use', async () => {
    const countries = await openCountries(path, log)
    await countries.check()
    await replace(Buffer.from('not a database'))
    await countries.check()
    await countries.check()
    expect(countries.of('198.51.100.7')).to.equal('DE')
    expect(lines.filter((line) => line.includes('are not valid'))).to.have.length(1)
    await replace(mmdb({ '198.51.100.0/24': 'AT' }))
    await countries.check()
    expect(countries.of('198.51.100.7')).to.equal('AT')
  })

  it('are checked by doctor: age and validity of the file', async () => {
    const checked = (env: Record<string, string>) => checkCountries(loadConfig(env), log)
    expect(await checked({})).to.deep.equal([])
    const [old] = await checked({ GEOIP_DATABASE: path })
    expect(old).to.include({ status: 'warn', message: `${path} is Test-Country of 2025-10-09.` })
    await writeFile(path, 'broken')
    const [broken] = await checked({ GEOIP_DATABASE: path })
    expect(broken).to.include({ name: 'countries', status: 'fail' })
    expect(broken?.message).to.include(path).and.include('expected a MaxMind DB file')
  })

  it('are undefined for an invalid record, which is logged once', async () => {
    const broken = Buffer.from(file)
    const record = broken.indexOf('country')
    broken.fill(0xff, record, record + 8)
    await writeFile(path, broken)
    const countries = await openCountries(path, log)
    expect(countries.of('198.51.100.7')).to.equal(undefined)
    expect(countries.of('198.51.100.7')).to.equal(undefined)
    expect(countries.of('203.0.113.1')).to.equal('FR')
    expect(lines.filter((line) => line.includes('could not look up a country'))).to.have.length(1)
  })
})
