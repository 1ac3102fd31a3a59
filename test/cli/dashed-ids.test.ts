import { expect } from 'chai'
import { runCli } from '../../src/cli/program.ts'

describe('command-line ids that begin with a dash', () => {
  const run = async (...argv: string[]) => {
    const said: string[] = []
    const io = {
      // A command that was parsed gets as far as loading the settings.
      env: { PORT: 'none' },
      out: (text: string) => void said.push(text),
      err: (text: string) => void said.push(text),
    }
    const code = await runCli(argv, io as unknown as Parameters<typeof runCli>[1])
    return { code, said: said.join('\n') }
  }
  const id = '-bcdefghijklmnopqrst_v'

  it('are operands in any position', async () => {
    for (const argv of [[id], [id, '--json'], ['--tenant', 'default', id], ['--', id]]) {
      const { code, said } = await run('families', 'show', ...argv)
      expect(said, argv.join(' ')).to.include('PORT')
      expect(code).to.equal(1)
    }
  })

  it('are distinguished from options', async () => {
    const { code, said } = await run('families', 'show', '--no-such-option')
    expect(said).to.include('unknown option')
    expect(code).to.equal(2)
  })
})
