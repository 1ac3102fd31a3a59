import { readFileSync } from 'node:fs'
import { expect } from 'chai'

/** The code blocks of one language on a page of `docs/`, in order. */
export function documented(page: string, language: string): string[] {
  const content = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8')
  const blocks = content.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))
  return [...blocks].map(([, block = '']) => block)
}

/** Replaces each of these in a text; all must occur. */
export function adapted(text: string, changes: Readonly<Record<string, string>>): string {
  return Object.entries(changes).reduce((done, [from, to]) => {
    expect(done, 'in the documentation').to.include(from)
    return done.replaceAll(from, to)
  }, text)
}
