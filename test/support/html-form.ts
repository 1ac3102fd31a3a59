import type { HTMLElement } from 'node-html-parser'
import type { Page } from './http-exchange.ts'

/** How a person fills in a form. */
export interface FormInput {
  /** Which form of the page: its place or a CSS selector; the first by default. */
  readonly form?: number | string
  /** What is typed, chosen or ticked, by name; `[]` unticks. The rest stays as the page has it. */
  readonly fields?: Readonly<Record<string, string | readonly string[]>>
  /** Which submit button: its place in the form or a CSS selector; the first by default. */
  readonly button?: number | string
}

/** The resulting request. */
export interface Submission {
  readonly method: 'GET' | 'POST'
  readonly url: URL
  readonly fields: URLSearchParams
}

const BUTTONS = 'button, input[type=submit], input[type=image]'

function type(control: HTMLElement): string {
  const fallback = control.tagName === 'BUTTON' ? 'submit' : 'text'
  return (control.getAttribute('type') ?? fallback).toLowerCase()
}

function pick(
  of: readonly HTMLElement[],
  from: HTMLElement,
  which: number | string,
): HTMLElement | undefined {
  if (typeof which === 'number') return of[which]
  const chosen = new Set(from.querySelectorAll(which))
  return of.find((each) => chosen.has(each))
}

/** The controls that belong to a form, in it or by their `form` attribute (HTML, 4.10.18.3). */
function controlsOf(page: Page, form: HTMLElement): HTMLElement[] {
  const id = form.getAttribute('id')
  const inside = new Set(form.querySelectorAll('input, select, textarea, button'))
  return page.root.querySelectorAll('input, select, textarea, button').filter((control) => {
    const owner = control.getAttribute('form')
    return owner === undefined ? inside.has(control) : owner === id
  })
}

/** The values a control can take on its own, and those it has as the page came. */
function choices(
  control: HTMLElement,
): { readonly all: readonly string[]; readonly on: readonly string[] } | undefined {
  if (control.tagName === 'SELECT') {
    const options = control.querySelectorAll('option')
    const value = (option: HTMLElement): string =>
      option.getAttribute('value') ?? option.text.trim()
    const selected = options.filter((option) => option.hasAttribute('selected')).map(value)
    const first = control.hasAttribute('multiple') ? [] : options.slice(0, 1).map(value)
    return { all: options.map(value), on: selected.length > 0 ? selected : first }
  }
  if (type(control) !== 'checkbox' && type(control) !== 'radio') return undefined
  const value = control.getAttribute('value') ?? 'on'
  return { all: [value], on: control.hasAttribute('checked') ? [value] : [] }
}

/** The name and values a control contributes (HTML, 4.10.22.4 "constructing the entry list"). */
function entries(
  control: HTMLElement,
  fields: NonNullable<FormInput['fields']>,
): [string, string][] {
  const name = control.getAttribute('name')
  if (name === undefined || name === '' || control.hasAttribute('disabled')) return []
  if (['submit', 'button', 'reset', 'image', 'file'].includes(type(control))) return []
  const given = fields[name]
  const wanted = typeof given === 'string' ? [given] : given
  const choice = choices(control)
  if (choice !== undefined) {
    const values =
      wanted === undefined ? choice.on : choice.all.filter((value) => wanted.includes(value))
    return values.map((value) => [name, value])
  }
  const text = control.tagName === 'TEXTAREA' ? control.text : control.getAttribute('value')
  return [[name, wanted?.[0] ?? text ?? '']]
}

/**
 * The request that a browser sends when a person fills in a form and submits it.
 *
 * @throws Error when the page has no such form, field, choice or button: a person could not do it.
 */
export function fillForm(
  page: Page,
  { form: which = 0, fields = {}, button = 0 }: FormInput,
): Submission {
  const no = (what: string): Error =>
    new Error(`${page.url.href} (${page.status}) has no ${what}:\n${page.root.structuredText}`)
  const form = pick(page.root.querySelectorAll('form'), page.root, which)
  if (form === undefined) throw no(`form ${which}`)
  const controls = controlsOf(page, form)
  const buttons = new Set(
    page.root
      .querySelectorAll(BUTTONS)
      .filter((each) => type(each) === 'submit' || type(each) === 'image'),
  )
  const pressed = pick(
    controls.filter((control) => buttons.has(control)),
    page.root,
    button,
  )
  if (pressed === undefined || pressed.hasAttribute('disabled')) throw no(`usable button ${button}`)

  const sent = controls.flatMap((control) => entries(control, fields))
  for (const [name, value] of Object.entries(fields)) {
    for (const each of typeof value === 'string' ? [value] : value) {
      if (!sent.some((entry) => entry[0] === name && entry[1] === each))
        throw no(`field ${name} for ${each}`)
    }
  }
  const name = pressed.getAttribute('name')
  if (name !== undefined && name !== '') sent.push([name, pressed.getAttribute('value') ?? ''])
  const method = pressed.getAttribute('formmethod') ?? form.getAttribute('method') ?? 'get'
  const action = pressed.getAttribute('formaction') ?? form.getAttribute('action') ?? ''
  const url = new URL(action === '' ? page.url.href : action, page.url)
  const values = new URLSearchParams(sent)
  if (method.toLowerCase() === 'post') return { method: 'POST', url, fields: values }
  url.search = values.toString()
  return { method: 'GET', url, fields: values }
}
