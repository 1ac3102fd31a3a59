import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { apply } from '../../src/cli/apply.ts'
import { checkApplyFile } from '../../src/cli/apply-file.ts'
import { defaultTenant } from '../../src/tenants/tenant.ts'
import type { TestServer } from '../support/boot.ts'
import { remember } from '../support/witness.ts'

const page = readFileSync(new URL('../../docs/clients.md', import.meta.url), 'utf8')

/** The sections of docs/clients.md under "With client libraries", by library. */
export const guide = new Map(
  (page.split('\n## With client libraries\n')[1]?.split('\n## ')[0] ?? '')
    .split('\n### ')
    .slice(1)
    .map((part): [string, string] => {
      const [heading = '', ...rest] = part.split('\n')
      return [heading, rest.join('\n')]
    }),
)

/** The code blocks of a section in a language. */
export function blocksOf(section: string, language: string): string[] {
  const fences = section.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))
  return [...fences].map(([, content]) => content ?? '')
}

/**
 * Declares exactly what the guide shows for a library.
 *
 * @param places address in the guide → address in the test @returns the secret for `{ env: APP_SECRET }`
 */
export async function declareAsDocumented(
  { core }: TestServer,
  library: string,
  places: Readonly<Record<string, string>>,
): Promise<string> {
  const [file] = blocksOf(guide.get(library) ?? '', 'yaml')
  if (file === undefined) throw new Error(`docs/clients.md has no declaration for ${library}`)
  const moved = Object.entries(places).reduce((text, [from, to]) => text.replaceAll(from, to), file)
  const secret = randomBytes(24).toString('base64url')
  remember(secret)
  const content = parse(moved) as unknown
  const source = { name: library, folder: '.', content }
  const document = await checkApplyFile(source, defaultTenant, { APP_SECRET: secret })
  await apply.execute(core, { tenant: defaultTenant, document, plan: false })
  return secret
}
