import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { cases } from '../../bench/suite/cases.ts'
import { optionsIn } from '../../bench/suite/options.ts'
import type { Row } from '../../bench/suite/row.ts'
import { runSuite } from '../../bench/suite/suite.ts'
import { temporaryFolder } from '../support/child.ts'
import { servicesFound } from '../support/root-hooks.ts'

const tiny = ['--blocks', '1', '--length', '60', '--warm-up', '1', '--connections', '4']

function expectRight({ row, sides }: Row): void {
  for (const { name, closed, steady } of sides) {
    const what = `${row}, ${name}`
    expect(closed.rate, what).to.be.greaterThan(0)
    expect(closed.faults, what).to.deep.equal({})
    expect(
      Object.keys(steady?.block.faults ?? {}).filter((fault) => !fault.startsWith('not ')),
    ).to.deep.equal([])
  }
}

describe('The benchmark', () => {
  it('measures every case beside the bare engine, and prints a row of each', async () => {
    const folder = await temporaryFolder('bench')
    const json = join(folder, 'report.json')
    const lines: string[] = []
    const report = await runSuite(optionsIn([...tiny, '--json', json]), (line) => lines.push(line))

    expect(report.rows.map(({ row }) => row)).to.deep.equal(cases.map(({ row }) => row))
    for (const row of report.rows) {
      expectRight(row)
      expect(row.sides.map(({ name }) => name)[0]).to.equal('keyturn')
      expect(row.sides[0]?.ratio, row.row).to.be.greaterThan(0)
      expect(lines.join('\n')).to.include(row.row)
    }
    expect(report.idle?.[0]?.megabytes).to.be.greaterThan(20)
    expect(JSON.parse(await readFile(json, 'utf8'))).to.deep.equal(
      JSON.parse(JSON.stringify(report)),
    )
    if (!servicesFound()) return
    const trips = (name: string) => report.rows.find((row) => row.name === name)?.sides[0]?.trips
    expect(trips('refresh')?.statements.sql.join()).to.include('insert into refresh_tokens')
    expect(trips('refresh')?.sql).to.be.greaterThan(0)
    expect(trips('jwks')).to.deep.include({ sql: 0, redis: 0 })
  })
})
