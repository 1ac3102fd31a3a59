/**
 * The access token, in a variable. In localStorage it would outlive the page and be readable by every script that ever
 * runs here.
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

/** Tells the other tabs of this app. */
const tabs = new BroadcastChannel('pocket-orders')

/** @type {(held: Held | undefined, why?: 'ended' | 'signed_out') => void} */
let tell = () => undefined

/** @param {typeof tell} listener called with every new token, and without one when nobody is signed in any more */
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
 * Calls the token handler, with the header that proves that it comes from this page.
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
 * Gets a fresh access token from the token handler: after a reload, before the old one expires, or when an API refused
 * it. One request at a time across all tabs, so that the cookie of an earlier answer never arrives after that of a
 * later one. If the page is closed meanwhile, the next request within half a minute gets the same answer; later the
 * user signs in again, silently while still signed in at the authorization server.
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

/** The token in memory, or a new one when it is about to expire. */
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
  // Revoked, or a clock is wrong. Retries once: if a new token is refused as well, more would not help.
  const second = await refresh()
  if (second) await report(await send(second))
}

/** Revokes all tokens of this sign-in. The access token stays in memory, to show what it is still good for. */
export async function revoke() {
  await post('revoke')
}

/** Signs out here, then goes to the authorization server to sign out there. */
export async function signOut() {
  const response = await post('sign-out')
  const { location } = await response.json()
  set(undefined, 'signed_out')
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel reaches this origin alone
  tabs.postMessage('signed out')
  window.location.assign(location)
}
