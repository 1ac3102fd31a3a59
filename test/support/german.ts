import { expect } from 'chai'
import { type HTMLElement, parse } from 'node-html-parser'
import { html } from '../../src/http/html.ts'
import { type Messages, messagesOf } from '../../src/interaction/pages/messages.ts'

/** Every text of a catalogue under its path; what is set into a sentence is `⟦x⟧`, a number is 15. */
export function leaves(node: unknown, path: string[] = []): Map<string, string> {
  if (typeof node === 'string') return new Map([[path.join('.'), node]])
  if (typeof node === 'function') {
    const inserted = takesNumber(path) ? 15 : html`⟦x⟧`
    return new Map([[path.join('.'), String((node as (x: unknown) => unknown)(inserted))]])
  }
  const members = Object.entries(node as Messages).filter(([key]) => key !== 'locale')
  return new Map(members.flatMap(([key, member]) => [...leaves(member, [...path, key])]))
}

const takesNumber = (path: string[]) => ['hint', 'too_short'].includes(path.at(-1) ?? '')

const german = new Set(leaves(messagesOf('de')).values())
/** What is English alone, in pieces without insertions; one word says too little. */
const english = [...leaves(messagesOf('en'))]
  .filter(([, text]) => !german.has(text))
  .flatMap(([, text]) => text.split('⟦x⟧'))
  .map((piece) => piece.trim())
  .filter((piece) => piece.includes(' '))
/** Words that no German sentence has. */
const words = /\b(the|you|your|and|with|this|that|of|to|sign|again|not|please|is)\b/i
const keys = [...leaves(messagesOf('en')).keys()].filter((key) => key.includes('.'))

/**
 * That a page is German all through. Elements that say they are English are left out, and so is what people and
 * clients wrote, which has no language of ours.
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
