import { html } from '../../http/html.ts'
import { type AccountFrame, accountSection } from './account-layout.ts'
import { type PageContext, page } from './layout.ts'
import type { Messages } from './messages.ts'
import { alert, csrfField, name } from './parts.ts'

export type DataFault = keyof Messages['account']['data']['errors']

export type DataView = AccountFrame & {
  csrf: string
  download: string
  delete: string
  email: string
  error?: DataFault
}

/** Download and deletion of the account's data. */
export function dataPage(context: PageContext, view: DataView): string {
  const { sections, data: words } = context.messages.account
  const { error } = view
  return accountSection(context, 'data', view, {
    title: sections.data,
    fault: error !== undefined,
    body: html`<section>
<h2>${words.download}</h2>
<p>${words.downloadLead}</p>
<form id="download-form" method="post" action="${view.download}">
${csrfField(view.csrf)}
<button id="download" class="kt-button kt-quiet" type="submit">${words.downloadSubmit}</button>
</form>
</section>
<section>
<h2>${words.delete}</h2>
<div class="kt-notice" id="delete-warning" role="note"><p>${words.deleteLead}</p></div>
<form id="delete-form" method="post" action="${view.delete}">
${error && alert('delete-error', words.errors[error])}
${csrfField(view.csrf)}
<div class="kt-field">
<label for="address">${words.typeAddress(name(view.email))}</label>
<input id="address" name="address" type="text" autocomplete="off" autocapitalize="none" spellcheck="false" aria-describedby="${error ? 'delete-error delete-warning' : 'delete-warning'}"${error && html` aria-invalid="true" autofocus`}>
</div>
<button id="delete" class="kt-button kt-danger" type="submit">${words.deleteSubmit}</button>
</form>
</section>`,
  })
}

/** After a deletion there is no account to sign in to. */
export function accountDeletedPage(context: PageContext): string {
  const { data: words } = context.messages.account
  return page(context, {
    title: words.deletedTitle,
    body: html`<h1>${words.deletedTitle}</h1>
<p>${words.deleted}</p>`,
  })
}
