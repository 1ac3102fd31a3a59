import { de } from './de.ts'
import { en } from './en.ts'
import type { MailFacts, MailKind, MailLanguage, MailText, MailTexts } from './message.ts'

const languages: Readonly<Record<MailLanguage, MailTexts>> = { en, de }

/** A mail as its reader sees it. */
export interface Letter {
  subject: string
  text: string
  html: string
}

/** Writes a mail as plain text and as HTML, which loads no external resources. */
export function write(kind: MailKind, language: MailLanguage, facts: MailFacts): Letter {
  const said = languages[language][kind](facts)
  return { subject: said.subject, text: plain(said, facts), html: markup(said, facts, language) }
}

function plain({ before, after }: MailText, { link, site, home }: MailFacts): string {
  const parts = [
    ...before,
    ...(link === undefined ? [] : [link]),
    ...after,
    `-- \n${site}\n${home}`,
  ]
  return `${parts.join('\n\n')}\n`
}

function markup({ before, after }: MailText, facts: MailFacts, language: string): string {
  const paragraphs = (texts: string[]) => texts.map((text) => `<p>${escaped(text)}</p>\n`).join('')
  const link =
    facts.link === undefined
      ? ''
      : `<p><a href="${escaped(facts.link)}">${escaped(facts.link)}</a></p>\n`
  const signature = `<p>${escaped(facts.site)}<br>${escaped(facts.home)}</p>`
  return `<!doctype html>\n<html lang="${language}"><body>\n${paragraphs(before)}${link}${paragraphs(after)}${signature}\n</body></html>\n`
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

const timeFormat = { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' } as const
/** Created on first use: a formatter takes ten milliseconds, and a start needs none. */
const times = new Map<MailLanguage, Intl.DateTimeFormat>()

/** Formats a time in a language. @param at milliseconds since the epoch */
export function timeIn(language: MailLanguage, at: number): string {
  const format = times.get(language) ?? new Intl.DateTimeFormat(language, timeFormat)
  times.set(language, format)
  return `${format.format(at)} UTC`
}
