import { settings } from './config.ts'
import type { Setting } from './setting.ts'

/** The reference of all settings as Markdown, generated from the table: one section per group. */
export function configReference(): string {
  const groups = Map.groupBy(Object.values(settings), ({ group }) => group)
  const sections = [...groups].map(([group, members]) =>
    [
      `## ${group}`,
      '',
      '| Setting | Default | Accepts | Meaning |',
      '|---|---|---|---|',
      ...members.map(row),
    ].join('\n'),
  )
  return `${[opening, ...sections].join('\n\n')}\n`
}

const opening = `# Settings

<!-- Generated from config.ts by write-reference.ts; do not edit. -->

Settings are environment variables. An empty variable counts as not set, and white space around a value is removed. The
server checks all settings at startup and reports all errors at once. The value of a setting marked *secret* may be in a
file instead, whose path is in the variable with \`_FILE\` appended to its name; setting both is an error.`

/** A short overview: one table, one sentence per setting. */
function settingsTable(): string {
  return [
    '| Setting | Default | Meaning |',
    '|---|---|---|',
    ...Object.values(settings).map(
      (setting) => `| \`${setting.env}\` | ${defaultOf(setting)} | ${firstSentence(setting)} |`,
    ),
  ].join('\n')
}

const markers = { start: '<!-- settings -->', end: '<!-- /settings -->' }

/**
 * Replaces the table between a document's markers.
 * @throws Error unless it has each marker once, in order
 */
export function withSettingsTable(document: string): string {
  const [before, table, after, ...rest] = document.split(/<!-- \/?settings -->/)
  if (table === undefined || after === undefined || rest.length > 0) {
    throw new Error(`expected ${markers.start} and ${markers.end}, each once`)
  }
  return `${before}${markers.start}\n\n${settingsTable()}\n\n${markers.end}${after}`
}

function firstSentence({ description }: Setting): string {
  return /^.+?\.(?= |$)/.exec(description)?.[0] ?? description
}

function defaultOf({ default: value }: Setting): string {
  const initial = typeof value === 'object' ? value.text : value && `\`${value}\``
  return initial || 'none'
}

function row(setting: Setting): string {
  const { env, schema, unit, secret, description } = setting
  const accepts = [schema.description, unit, secret && '*secret*'].filter(Boolean).join('; ')
  return `| \`${env}\` | ${defaultOf(setting)} | ${accepts} | ${description} |`
}
