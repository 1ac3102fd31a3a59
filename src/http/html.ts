/**
 * HTML templates that escape by default: text from people or clients can only become text (P-071). No string can be
 * inserted unescaped; markup comes only from the literal parts of a template.
 */

const genuine = new WeakSet<object>()

/** Markup made by `html`. Nothing else can make it: parsed JSON is never taken for markup. */
export type Html = { readonly markup: string; toString(): string }

/**
 * Values of a template: `Html` and lists are inserted as they are, other values escaped; `false`, null and undefined
 * print nothing.
 */
export type HtmlValue = Html | string | number | false | null | undefined | readonly HtmlValue[]

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

/**
 * Escapes text for element content and for quoted attribute values.
 * @param text any text, of any origin
 */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'`]/g, (character) => entities[character] ?? '')
}

/**
 * The template tag: html`<p title="${title}">${text}</p>`. Attribute values must stand in quotation marks;
 * an optional attribute is a nested template: html`<input${wanted && html` autofocus`}>`.
 */
export function html(literals: TemplateStringsArray, ...values: HtmlValue[]): Html {
  let markup = literals[0] ?? ''
  for (const [index, value] of values.entries()) {
    markup += rendered(value) + (literals[index + 1] ?? '')
  }
  const result: Html = Object.freeze({ markup, toString: () => markup })
  genuine.add(result)
  return result
}

function rendered(value: unknown): string {
  if (value === undefined || value === null || value === false) return ''
  if (Array.isArray(value)) return value.map(rendered).join('')
  if (isHtml(value)) return value.markup
  return escapeHtml((value as string | number).toString())
}

function isHtml(value: unknown): value is Html {
  return typeof value === 'object' && value !== null && genuine.has(value)
}
