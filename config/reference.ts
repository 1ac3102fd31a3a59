import { type Setting, settings } from './config.ts'

/** The reference of all settings in Markdown, from the table: one section per group. */
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

Settings are environment variables. An empty one counts as absent, and white space around a value is dropped. All faults
are reported at once, at start. A setting marked *secret* may be in a file instead, named by the same variable with
\`_FILE\` at its end; giving both is a fault.`

function row({ env, schema, default: value, unit, secret, description }: Setting): string {
  const initial = typeof value === 'object' ? value.text : value && `\`${value}\``
  const accepts = [schema.description, unit, secret && '*secret*'].filter(Boolean).join('; ')
  return `| \`${env}\` | ${initial || 'none'} | ${accepts} | ${description} |`
}
