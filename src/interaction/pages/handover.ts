import { html } from '../../http/html.ts'
import { type PageContext, page } from './layout.ts'
import { hiddenFields } from './parts.ts'

export type HandoverView = {
  /** The client that the form goes to. */
  action: string
  fields: ReadonlyArray<readonly [name: string, value: string]>
}

/** Posts an answer to a client as a form: by script, or by its button without scripts (K-09). */
export function handoverPage(context: PageContext, { action, fields }: HandoverView): string {
  const { title, text, submit } = context.messages.handover
  return page(context, {
    title,
    script: ['submit.js'],
    body: html`<h1>${title}</h1>
<p>${text}</p>
<form method="post" action="${action}">
${hiddenFields(fields)}<button class="kt-button" type="submit">${submit}</button>
</form>`,
  })
}
