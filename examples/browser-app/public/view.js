/** What the page shows. Everything is set as text: nothing that comes from elsewhere is ever markup. */

/** @param {string} id */
export function element(id) {
  const found = document.getElementById(id)
  if (!found) throw new Error(`no element #${id}`)
  return found
}

/** @param {Record<string, boolean>} shown by id */
export function show(shown) {
  for (const [id, visible] of Object.entries(shown)) element(id).hidden = !visible
}

/**
 * @param {string} tag
 * @param {string} [text]
 */
function make(tag, text) {
  const made = document.createElement(tag)
  if (text !== undefined) made.textContent = text
  return made
}

/**
 * @param {HTMLElement} list
 * @param {[string, string][]} rows
 */
function fill(list, rows) {
  list.replaceChildren(
    ...rows.map(([what, value]) => {
      const row = make('div')
      row.append(make('dt', what), make('dd', value))
      return row
    }),
  )
}

/**
 * @param {string} id of a list
 * @param {Record<string, unknown>} claims
 */
export function showClaims(id, claims) {
  fill(
    element(id),
    Object.entries(claims).map(([claim, value]) => [claim, readable(value, claim)]),
  )
}

/**
 * @param {unknown} value of a claim
 * @param {string} [claim]
 */
export function readable(value, claim = '') {
  if (typeof value === 'number' && ['exp', 'iat', 'auth_time'].includes(claim)) {
    return `${new Date(value * 1000).toISOString().slice(11, 19)} UTC`
  }
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/**
 * Shows what happened, newest first.
 * @param {string} title
 * @param {'good' | 'bad'} outcome
 * @param {[string, string][]} rows
 */
export function tell(title, outcome, rows) {
  const event = make('div')
  event.className = `event ${outcome}`
  const heading = make('h3', `${title} `)
  heading.append(make('time', new Date().toISOString().slice(11, 19)))
  const list = make('dl')
  fill(list, rows)
  event.append(heading, list)
  element('story').prepend(event)
  while (element('story').children.length > 8) element('story').lastElementChild?.remove()
  show({ 'story-card': true })
}

/** @param {number} expiresAt milliseconds since 1970 */
export function showExpiry(expiresAt) {
  const left = Math.round((expiresAt - Date.now()) / 1000)
  const minutes = Math.floor(left / 60)
  element('expiry').textContent =
    left > 0
      ? `Expires in ${minutes} min ${String(left % 60).padStart(2, '0')} s`
      : 'Expired; the next call first gets a new one'
}

/**
 * The claims of an access token. A page that only uses tokens has no need of this.
 * @param {string} token
 * @returns {Record<string, unknown>}
 */
export function claimsOf(token) {
  const part = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')
  const bytes = Uint8Array.from(atob(part), (character) => character.charCodeAt(0))
  return JSON.parse(new TextDecoder().decode(bytes))
}
