import { domainErrors } from '../errors.ts'
import { type Html, html } from '../http/html.ts'
import { type PageContext, page } from '../interaction/pages/layout.ts'
import type { Json } from './openapi.ts'

/** The API reference as a page, rendered from the OpenAPI document; works without scripts. */

interface Operation {
  operationId: string
  summary: string
  tags: string[]
  security?: Array<{ token: string[] }>
  parameters: Array<{ name: string; in: string; required: boolean; description?: string }>
  requestBody?: { content: Record<string, { schema: Json }> }
  responses: Record<string, { content?: Record<string, { schema: Json }> }>
}

interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Json> }
}

/** @param document from `openApiOf` */
export function referencePage(context: PageContext, document: Json, base: string): string {
  const { paths, components } = document as unknown as Document
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  )
  const tags = [...new Set(operations.flatMap(({ operation }) => operation.tags))]
  return page(context, {
    title: 'Admin API',
    width: 'wide',
    navigation: html`<nav class="kt-sections" aria-label="Kinds of objects"><ul>
${tags.map((tag) => html`<li><a href="#${tag}">${tag}</a></li>\n`)}<li><a href="#schemas">schemas</a></li>
<li><a href="#errors">errors</a></li>
</ul></nav>`,
    body: html`<div lang="en">
<h1>Admin API</h1>
<p>All routes are below <code>${base}</code>. For tools:</p>
<p class="kt-links"><a href="openapi.json">openapi.json (OpenAPI 3.1)</a></p>
${tags.map(
  (tag) => html`<section>
<h2 id="${tag}">${tag}</h2>
${operations
  .filter(({ operation }) => operation.tags.includes(tag))
  .map(({ method, path, operation }) => operationPart(method, path, operation))}</section>
`,
)}<section>
<h2 id="schemas">schemas</h2>
${Object.entries(components.schemas).map(
  ([name, schema]) => html`<details id="schema-${name}">
<summary><code>${name}</code></summary>
${membersPart(schema)}</details>
`,
)}</section>
<section>
<h2 id="errors">errors</h2>
<dl class="kt-facts">
${Object.entries(domainErrors).map(
  ([code, [status, , sentence]]) => html`<div id="error-${code}">
<dt><code>${code}</code> ${status}</dt><dd>${sentence}</dd>
</div>
`,
)}</dl>
</section>
</div>`,
  })
}

function operationPart(method: string, path: string, operation: Operation): Html {
  const { operationId, summary, parameters, requestBody, responses } = operation
  const scopes = operation.security?.flatMap(({ token }) => token) ?? []
  const [status = '', response] = Object.entries(responses)[0] ?? []
  return html`<details id="${operationId}">
<summary><code>${method.toUpperCase()} ${path}</code> ${summary}</summary>
<dl class="kt-facts">
<div><dt>Scope</dt><dd>${scopes.length > 0 ? html`<code>${scopes.join(' ')}</code>` : 'none, public'}</dd></div>
${parameters.map(
  (parameter) => html`<div><dt><code>${parameter.name}</code></dt><dd>${parameter.in}, ${
    parameter.required ? 'required' : 'optional'
  }${parameter.description && `. ${parameter.description}`}</dd></div>
`,
)}${requestBody && html`<div><dt>Body</dt><dd>${typeOf(schemaIn(requestBody.content))}</dd></div>\n`}<div><dt>${status}</dt><dd>${
    response?.content ? typeOf(schemaIn(response.content)) : 'no body'
  }</dd></div>
</dl>
</details>
`
}

const schemaIn = (content: Record<string, { schema: Json }>): Json =>
  Object.values(content)[0]?.schema ?? {}

/** The members of an object, or its type. */
function membersPart(schema: Json): Html {
  const { properties = {}, required = [] } = schema as {
    properties?: Record<string, Json>
    required?: string[]
  }
  return html`<dl class="kt-facts">
${Object.entries(properties).map(([name, member]) => {
  const { description, default: fallback } = member as { description?: string; default?: unknown }
  return html`<div><dt><code>${name}</code></dt><dd>${typeOf(member)}${
    required.includes(name) && ', required'
  }${fallback !== undefined && `, ${JSON.stringify(fallback)} by default`}${
    description && `. ${description}`
  }</dd></div>
`
})}</dl>
`
}

/** A short description of a type; a named schema is a link. */
function typeOf(schema: Json): Html {
  const { $ref: reference, type, items, properties, anyOf } = schema as Record<string, unknown>
  const values = (schema['enum'] ?? ('const' in schema ? [schema['const']] : undefined)) as
    | unknown[]
    | undefined
  if (typeof reference === 'string') {
    const name = reference.split('/').at(-1) ?? ''
    return html`<a href="#schema-${name}">${name}</a>`
  }
  if (values) return html`${values.map(String).join(' | ')}`
  if (Array.isArray(anyOf)) {
    const parts = (anyOf as Json[]).map(typeOf)
    return html`${parts.map((part, i) => html`${i > 0 && ' | '}${part}`)}`
  }
  if (items !== undefined) return html`list of ${typeOf(items as Json)}`
  if (properties !== undefined) {
    const members = Object.entries(properties as Record<string, Json>)
    return html`object: ${members.map(([name, member], i) => html`${i > 0 && ', '}<code>${name}</code> ${typeOf(member)}`)}`
  }
  return html`${typeof type === 'string' ? type : 'anything'}`
}
