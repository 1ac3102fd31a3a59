/**
 * The access token, in a variable: not in localStorage, where it would outlive the page and lie open to every script that
 * ever runs here.
 *
 * @typedef {object} Held
 * @property {string} accessToken
 * @property {number} expiresAt milliseconds since 1970
 * @property {Record<string, unknown>} claims of the ID token
 * @property {string} refreshTokenName
 */

/** @type {Held | undefined} */
let held

/** @type {Promise<Held | undefined> | undefined} */
let asking

/** What other tabs of this app are told. */
const tabs = new BroadcastChannel('pocket-orders')

/** @type {(held: Held | undefined, why?: 'ended' | 'signed_out') => void} */
let tell = () => undefined

/** @param {typeof tell} listener called with every new token, and without when nobody is signed in here any more */
export function onChange(listener) {
  tell = listener
  tabs.addEventListener('message', () => set(undefined, 'signed_out'))
}

/**
 * @param {Held | undefined} token
 * @param {'ended' | 'signed_out'} [why]
 */
function set(token, why) {
  held = token
  tell(token, why)
  return token
}

/**
 * A request to the token handler, with what shows that it comes from this page.
 * @param {string} path
 */
async function post(path) {
  const response = await fetch(`/bff/${path}`, {
    method: 'POST',
    headers: { 'X-Token-Handler': '1' },
    signal: AbortSignal.timeout(15_000),
  })
  if (response.ok || response.status === 401) return response
  throw new Error(`the token handler answered ${response.status}`)
}

/**
 * Asks the token handler for a fresh access token: after a reload, before the old one expires, or when an API refused it.
 * One request at a time in all tabs, so that the cookie of an earlier answer never arrives after that of a later one.
 * A page that is closed meanwhile does no harm: whoever asks within half a minute gets the same answer, and who asks later
 * signs in again, without a page where the person is still signed in there.
 * @returns {Promise<Held | undefined>} undefined when nobody is signed in
 */
export function refresh() {
  asking ??= navigator.locks.request('token-handler', ask).finally(() => {
    asking = undefined
  })
  return asking
}

/** @returns {Promise<Held | undefined>} */
async function ask() {
  const response = await post('token')
  const answer = await response.json()
  if (response.status === 401) return set(undefined, answer.error)
  return set({
    accessToken: answer.access_token,
    expiresAt: Date.now() + answer.expires_in * 1000,
    claims: answer.claims,
    refreshTokenName: answer.refresh_token_name,
  })
}

/** The token in memory, or another one when it is about to expire. */
function fresh() {
  return held && held.expiresAt > Date.now() + 10_000 ? Promise.resolve(held) : refresh()
}

/**
 * Calls the API.
 * @param {URL} url
 * @param {RequestInit} init
 * @param {(response: Response) => Promise<void>} report is given every answer
 * @returns {Promise<void>}
 */
export async function call(url, init, report) {
  const send = (/** @type {Held} */ { accessToken }) =>
    fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${accessToken}` } })
  const first = await fresh()
  if (!first) return
  const response = await send(first)
  await report(response)
  if (response.status !== 401) return
  // Revoked, or a clock is off. Once: if a new token is refused as well, asking on would not help.
  const second = await refresh()
  if (second) await report(await send(second))
}

/** Ends everything that came of this sign-in. The access token stays in memory, to see what it is still good for. */
export async function revoke() {
  await post('revoke')
}

/** Signs out here and leads to the authorization server, to sign out there. */
export async function signOut() {
  const response = await post('sign-out')
  const { location } = await response.json()
  set(undefined, 'signed_out')
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel reaches this origin alone
  tabs.postMessage('signed out')
  window.location.assign(location)
}
