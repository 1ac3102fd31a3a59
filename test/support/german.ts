import { expect } from 'chai'
import { type HTMLElement, parse } from 'node-html-parser'
import { html } from '../../src/http/html.ts'
import { type Messages, messagesOf } from '../../src/interaction/pages/messages.ts'

/** Every text of a catalogue by its path; an inserted value is `⟦x⟧`, a number 15. */
export function textsByPath(node: unknown, path: string[] = []): Map<string, string> {
  if (typeof node === 'string') return new Map([[path.join('.'), node]])
  if (typeof node === 'function') {
    const inserted = takesNumber(path) ? 15 : html`⟦x⟧`
    return new Map([[path.join('.'), String((node as (x: unknown) => unknown)(inserted))]])
  }
  const members = Object.entries(node as Messages).filter(([key]) => key !== 'locale')
  return new Map(members.flatMap(([key, member]) => [...textsByPath(member, [...path, key])]))
}

const takesNumber = (path: string[]) => ['hint', 'too_short'].includes(path.at(-1) ?? '')

const german = new Set(textsByPath(messagesOf('de')).values())
/** Texts that occur only in English, split at insertions; single words are too ambiguous. */
const english = [...textsByPath(messagesOf('en'))]
  .filter(([, text]) => !german.has(text))
  .flatMap(([, text]) => text.split('⟦x⟧'))
  .map((piece) => piece.trim())
  .filter((piece) => piece.includes(' '))
/** Words that no German sentence has. */
const words = /\b(the|you|your|and|with|this|that|of|to|sign|again|not|please|is)\b/i
const keys = [...textsByPath(messagesOf('en')).keys()].filter((key) => key.includes('.'))

/**
 * Expects a page without English text. Elements marked as English are skipped, and so are texts from people and
 * clients.
 */
export function expectNoEnglish(root: HTMLElement, page: string): void {
  const document = parse(root.toString())
  for (const element of document.querySelectorAll('[lang=en], bdi, code, script, style')) {
    element.remove()
  }
  const attributes = document
    .querySelectorAll('[aria-label], [title], [alt], [placeholder]')
    .flatMap(({ attributes: all }) => [all['aria-label'], all['title'], all['alt']])
  const text = `${document.structuredText} ${attributes.join(' ')}`
  for (const piece of english) expect(text, page).not.to.include(piece)
  for (const key of keys) expect(text, page).not.to.include(key)
  expect(text, page).not.to.match(words)
  expect(text, page).not.to.match(/undefined|\[object|⟦x⟧⟦x⟧/)
}
