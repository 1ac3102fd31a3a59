import { decodeJwt } from 'jose'
import { type Content, html } from './html.ts'
import type { Event, Session } from './sessions.ts'

function page(title: string, ...body: Content[]): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} · Order desk</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/looks.css">
<script type="module" src="/live.js"></script>
</head>
<body>
<header class="bar"><a class="brand" href="/">Order desk</a><span class="kind">server-rendered app</span></header>
<main>${body}</main>
</body>
</html>`.text
}

/** @param notice why the user was signed out */
export function welcomePage(notice?: string): string {
  return page(
    'Welcome',
    notice !== undefined && html`<p class="notice bad" role="status" id="notice">${notice}</p>`,
    html`<section class="card hero">
<h1>Order desk</h1>
<p>A server-rendered app. Its tokens stay on its server; your browser has only a session cookie.</p>
<p><a class="button" id="sign-in" href="/sign-in">Sign in</a></p>
</section>`,
  )
}

export function faultPage(title: string, text: string): string {
  return page(
    title,
    html`<section class="card hero"><h1>${title}</h1><p>${text}</p>
<p><a class="button" id="sign-in" href="/sign-in">Sign in</a></p></section>`,
  )
}

export function homePage(session: Session): string {
  const [last, ...earlier] = session.story
  const { name, email, sub } = session.claims
  return page(
    'Home',
    html`<section class="card">
<div class="row"><div><h1 id="person">Hello, ${readable(name ?? email ?? sub)}</h1>
<p>You are signed in to this app. What it knows about you is in an ID token; what it may do for you at the API is in an
access token.</p></div>
${action('/sign-out', 'sign-out', 'Sign out', 'quiet')}</div>
</section>
<section class="card"><h2>Try it</h2>
<div class="actions">
${action('/call/place', 'place', 'Place an order')}
${action('/call/read', 'read', 'Read orders')}
${action('/call/refund', 'refund', 'Refund the last order')}
${action('/refresh', 'refresh', 'Refresh', 'quiet')}
${action('/revoke', 'revoke', 'Revoke', 'quiet')}
</div>
<p class="hint">To place and read orders, the API verifies the token itself. A refund moves money, so the API also asks
the authorization server.</p>
${last ? happened(last, true) : html`<p class="hint" id="last">Nothing has happened yet.</p>`}
</section>
<div class="columns">
${tokenCard('access', 'Access token', accessClaims(session), session.expiresAt, 'For the API. An app does not read it; this page does, to show you.')}
${tokenCard('id', 'ID token', session.claims, undefined, 'For this app: who signed in, when, and in which session.')}
</div>
${earlier.length > 0 && html`<section class="card"><h2>Before that</h2>${earlier.map((event) => happened(event, false))}</section>`}`,
  )
}

/** Every change is a form, so that no link and no image can trigger it. */
function action(path: string, id: string, label: string, looks = ''): Content {
  return html`<form method="post" action="${path}"><button class="button ${looks}" id="${id}">${label}</button></form>`
}

function happened({ at, title, details, outcome }: Event, last: boolean): Content {
  const time = at.toISOString().slice(11, 19)
  return html`<div class="event ${outcome}"${last && html` id="last" role="status"`}>
<h3>${title} <time>${time}</time></h3>
<dl>${details.map(([what, value]) => html`<div><dt>${what}</dt><dd>${value}</dd></div>`)}</dl>
</div>`
}

function tokenCard(
  id: string,
  title: string,
  claims: Record<string, unknown>,
  expiresAt: number | undefined,
  hint: string,
): Content {
  const rows = Object.entries(claims).map(
    ([claim, value]) => html`<div><dt>${claim}</dt><dd>${readable(value, claim)}</dd></div>`,
  )
  return html`<section class="card" id="${id}-token"><h2>${title}</h2><p class="hint">${hint}</p>
${expiresAt !== undefined && html`<p class="expiry" data-expires="${expiresAt}">Expires at ${clock(expiresAt)}</p>`}
<dl class="claims">${rows}</dl></section>`
}

export function readable(value: unknown, claim = ''): string {
  if (typeof value === 'number') {
    return ['exp', 'iat', 'auth_time'].includes(claim) ? clock(value * 1000) : String(value)
  }
  return typeof value === 'string' ? value : JSON.stringify(value)
}

const clock = (ms: number) => `${new Date(ms).toISOString().slice(11, 19)} UTC`

export function accessClaims({ accessToken }: Session): Record<string, unknown> {
  return decodeJwt(accessToken)
}
