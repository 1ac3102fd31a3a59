import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { parse } from 'yaml'
import { z } from 'zod'
import { applyDocument, checkApplyFile } from '../../src/cli/apply-file.ts'
import { runCli } from '../../src/cli/program.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')

/** Code blocks of one language, in order. */
function blocks(page: string, language: string): string[] {
  const fences = page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))
  return [...fences].map(([, content]) => content ?? '')
}

/** Heading → text below it, up to the next heading of the same level. */
function sections(page: string, mark: string): Map<string, string> {
  const [, ...parts] = page.split(new RegExp(`^${mark} `, 'm'))
  return new Map(
    parts.map((part) => {
      const [heading = '', ...rest] = part.split('\n')
      return [heading.replaceAll('`', ''), rest.join('\n')]
    }),
  )
}

describe('README.md', () => {
  const readme = read('README.md')

  it('shows a valid apply file', async () => {
    const [, file = ''] = /<<'END'\n(.*?)^END$/ms.exec(readme) ?? []
    const document = { name: 'tour.yaml', folder: '.', content: parse(file) as unknown }
    const { clients, accounts } = await checkApplyFile(document, 'default', {})
    for (const { client_id: id, client_secret: secret } of clients) {
      expect(readme).to.include(secret === undefined ? `client_id=${id}` : `-u ${id}:${secret} `)
    }
    expect(readme).to.include(`\`${accounts[0]?.password}\``)
  })

  it('shows a code verifier and its challenge (RFC 7636 §4.2)', () => {
    const [, verifier = ''] = /^VERIFIER=(.+)$/m.exec(readme) ?? []
    const [, challenge] = /&code_challenge=([\w-]{43})$/m.exec(readme) ?? []
    expect(verifier).to.match(/^[\w-]{43}$/)
    expect(challenge).to.equal(createHash('sha256').update(verifier).digest('base64url'))
    expect(readme).to.include(`\n${challenge}\n`)
  })

  it('names only existing scripts', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = [...readme.matchAll(/npm (?:run )?(?:--silent )?(start|test|(?<=run )[\w:]+)/g)]
    expect(named.length).to.be.above(5)
    for (const [, script = ''] of named) expect(scripts).to.have.property(script)
  })

  it('repeats nothing, and names every guide', () => {
    const prose = readme.replaceAll(/^```.*?^```/gms, '').split('\n')
    const long = prose.filter((line) => line.length > 50 && !line.startsWith('|--'))
    expect(long.filter((line, index) => long.indexOf(line) !== index)).to.deep.equal([])
    expect(readme.match(/not there yet\*\*:/g)).to.have.length(1)
    for (const guide of globSync('docs/*.md', { cwd: root })) {
      expect(readme).to.include(`- [${guide}](${guide}): `)
    }
  })
})

describe('docs/code.md', () => {
  it('describes every folder of src', () => {
    const [, map = ''] = /## Map of the code.*?```text\n(.*?)```/s.exec(read('docs/code.md')) ?? []
    for (const path of globSync('*/', { cwd: join(root, 'src') })) {
      expect(map).to.include(`  ${path.replace(/\/?$/, '/')} `)
    }
  })
})

describe('docs/apply-file.md', () => {
  const page = read('docs/apply-file.md')
  const shape: Record<string, z.ZodType> = applyDocument.shape

  it('shows a valid apply file', async () => {
    const [file = ''] = blocks(page, 'yaml')
    await checkApplyFile({ name: 'example', folder: '.', content: parse(file) }, 'default', {})
  })

  it('has every member of every section, and no others', () => {
    const written = sections(page, '##')
    for (const [section, type] of Object.entries(shape)) {
      const isWrapped = type instanceof z.ZodDefault || type instanceof z.ZodOptional
      const element = isWrapped ? type.unwrap() : type
      const item = element instanceof z.ZodArray ? element.element : element
      // Sections that are neither a list nor an object have a heading of their own.
      if (!(item instanceof z.ZodObject) && !(element instanceof z.ZodArray)) {
        expect(written.get(section), section).to.match(/\w/)
        continue
      }
      const members = item instanceof z.ZodObject ? Object.keys(item.shape) : []
      const rows = [...(written.get(section) ?? '').matchAll(/^\| `(\w+)` \|/gm)]
      expect(members, section).to.not.deep.equal([])
      expect(
        rows.map(([, member]) => member),
        section,
      ).to.have.members(members)
    }
  })
})

describe('docs/command-line.md', () => {
  const page = read('docs/command-line.md')

  async function help(words: string[]): Promise<string> {
    const lines: string[] = []
    const write = (text: string) => void lines.push(text)
    const io = { env: {}, stdin: async () => '', out: write, err: write }
    expect(await runCli([...words, '--help'], io)).to.equal(0)
    return lines.join('\n')
  }

  /** Every command without subcommands → its help. */
  async function commands(words: string[] = []): Promise<Map<string, string>> {
    const text = await help(words)
    const [, list = ''] = /^Commands:\n(.*?)(?:\n\n|$(?![\s\S]))/ms.exec(text) ?? []
    const names = [...list.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = '']) => name)
    if (names.length === 0) return new Map([[words.join(' '), text]])
    const below = names.filter((name) => name !== 'help').map((name) => commands([...words, name]))
    return new Map((await Promise.all(below)).flatMap((found) => [...found]))
  }

  it('has a section for every command, and no others', async () => {
    expect([...sections(page, '##').keys()]).to.have.members([...(await commands()).keys()])
  })

  it('has every option of every command, and no others', async () => {
    const written = sections(page, '##')
    for (const [command, text] of await commands()) {
      const there = [...text.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].map(([, option]) => option)
      const said = [...(written.get(command) ?? '').matchAll(/`(--[\w-]+)[^`]*`/g)]
      const options = new Set(said.map(([, option]) => option))
      expect([...options, '--help'], command).to.include.members(there)
      expect(there, command).to.include.members([...options])
    }
  })

  it('shows valid JSON', () => {
    for (const block of blocks(page, 'json')) expect(() => JSON.parse(block), block).not.to.throw()
  })
})

describe('links in documents', () => {
  const pages = globSync(['*.md', '.github/*.md', 'config/*.md', 'docs/**/*.md', 'examples/*.md'], {
    cwd: root,
  })

  for (const page of pages) {
    it(`of ${page} lead to existing files and headings`, () => {
      for (const [, target = ''] of read(page).matchAll(/\]\((?!https?:)([^)]+)\)/g)) {
        const [path = '', heading] = target.split('#')
        const file = path === '' ? page : join(dirname(page), path)
        expect(existsSync(join(root, file)), `${page} → ${target}`).to.equal(true)
        if (heading === undefined) continue
        const anchors = [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, text = '']) =>
          text
            .toLowerCase()
            .replaceAll(/[^\w\s-]/g, '')
            .replaceAll(' ', '-'),
        )
        expect(anchors, `${page} → ${target}`).to.include(heading)
      }
    })
  }

  it('of docs/adr include every decision', () => {
    for (const path of globSync('docs/adr/0*.md', { cwd: root })) {
      expect(read('docs/adr/README.md')).to.include(`](${path.split(/[\\/]/).at(-1)})`)
    }
  })
})
