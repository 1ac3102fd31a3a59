import { call, onChange, refresh, revoke, signOut } from './tokens.js'
import { claimsOf, element, readable, show, showClaims, showExpiry, tell } from './view.js'

/** @typedef {import('./tokens.js').Held} Held */

/** @type {Held | undefined} */
let shown

/** @param {Held} held */
function showTokens(held) {
  shown = held
  const { claims, accessToken, expiresAt } = held
  element('person').textContent =
    `Hello, ${readable(claims['name'] ?? claims['email'] ?? claims['sub'])}`
  showClaims('access-claims', claimsOf(accessToken))
  showClaims('id-claims', claims)
  showExpiry(expiresAt)
  show({ notice: false, 'signed-out': false, 'signed-in': true, tokens: true })
}

/** @param {string} [notice] */
function showSignedOut(notice) {
  shown = undefined
  element('notice').textContent = notice ?? ''
  show({ notice: notice !== undefined, 'signed-out': true, 'signed-in': false, tokens: false })
}

onChange((held, why) => {
  if (held) return showTokens(held)
  const was = shown !== undefined
  if (why === 'ended') {
    tell('No new token', 'bad', [
      ['the token handler answered', 'the authorization server revoked it'],
    ])
    showSignedOut('Your access was ended: the authorization server gave no new token.')
  } else showSignedOut(was ? 'You are signed out.' : undefined)
})

/**
 * Gets a fresh token and shows what changed.
 * @param {string} title
 */
async function renew(title) {
  const before = shown
  const held = await refresh()
  if (!held) return
  const is = claimsOf(held.accessToken)
  const was = before && claimsOf(before.accessToken)
  const from = (/** @type {string | undefined} */ value) =>
    value === undefined ? '' : `${value} → `
  tell(title, 'good', [
    ['refresh token', `${from(before?.refreshTokenName)}${held.refreshTokenName}`],
    ['access token (jti)', `${from(was && readable(was['jti']))}${readable(is['jti'])}`],
    ['family (fid)', readable(is['fid'])],
    ['session (sid)', readable(is['sid'])],
  ])
}

const { api } = await (await fetch('/config.json')).json()

/**
 * @param {string} what
 * @param {string} path
 * @param {RequestInit} [init]
 */
async function callApi(what, path, init = {}) {
  /** @type {unknown} */
  let answer
  await call(new URL(path, api), init, async (response) => {
    const challenge = response.headers.get('WWW-Authenticate')
    const body = await response.text()
    tell(`${what}: ${response.status}`, response.ok ? 'good' : 'bad', [
      ...(challenge ? [/** @type {[string, string]} */ (['WWW-Authenticate', challenge])] : []),
      ['the API answered', body],
    ])
    answer = response.ok ? JSON.parse(body) : undefined
  })
  return answer
}

const actions = {
  place: () =>
    callApi('Place', '/orders', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ item: 'A pocket torch' }),
    }),
  read: () => callApi('Read', '/orders'),
  async refund() {
    const list = /** @type {{ orders: { id: number }[] } | undefined} */ (
      await callApi('Read', '/orders')
    )
    if (!list) return
    await callApi('Refund', `/orders/${list.orders.at(-1)?.id ?? 0}/refund`, { method: 'POST' })
  },
  refresh: () => renew('Refreshed'),
  async revoke() {
    await revoke()
    tell('Revoked', 'bad', [
      ['ended', `the family ${shown && readable(claimsOf(shown.accessToken)['fid'])}`],
      [
        'what now',
        'the API verifies tokens itself and is notified: within half a second it refuses this one',
      ],
    ])
  },
  'sign-out': signOut,
}

for (const [id, act] of Object.entries(actions)) {
  element(id).addEventListener('click', () => {
    Promise.resolve(act()).catch((error) => {
      tell('It did not work', 'bad', [['why', String(error.message)]])
    })
  })
}

setInterval(() => {
  if (shown) showExpiry(shown.expiresAt)
}, 1000)

const refused = location.search === '?refused'
if (refused) history.replaceState(null, '', '/')
// A page load begins with empty memory: get a token silently, or offer to sign in.
await renew('Got a token for this page').catch((error) => {
  showSignedOut(
    `The token handler could not be reached (${error.message}). Reload the page to try again.`,
  )
})
if (refused && !shown) showSignedOut('The sign-in was refused or failed.')
document.body.dataset['ready'] = 'true'
