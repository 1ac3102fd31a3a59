import { relative } from 'node:path'
import { at, type Places } from './parts.ts'

/** What the user can do now, in a sensible order. @param report the machine's output */
export function walkThrough(
  { folder, ports, without }: Places,
  root: string,
  report: string,
): string {
  const [issuer, web, browser] = [at(ports.keyturn), at(ports['web-app']), at(ports['browser-app'])]
  const inside = relative(root, folder)
  const kept = inside.startsWith('..') ? folder : inside
  const yours = without.map(
    (name) => `Start ${name} yourself:
  npx node --watch --env-file=${kept}/${name}.env examples/${name}/main.ts\n\n`,
  )
  return `
The demo is running.

  Order desk       ${web}    a server-rendered app
  Pocket orders    ${browser}    a browser app with a token handler
  Orders           ${at(ports.api)}    the API that both call
  Keyturn          ${issuer}    the authorization server

  Sign in as       alice@example.com
  Password         correct horse battery staple

 1 Sign in      Open ${web} and press "Sign in". Keyturn asks for the password and
                then for consent. The page shows the tokens that the app received.
 2 Call         Press "Place an order", then "Read orders". The API verified the token
                itself, without a request to Keyturn.
 3 Refresh      Press "Refresh": a new access token, a new refresh token, the same family.
 4 The other    Open ${browser} and sign in: no password this time. Reload the page: the
                token was only in its memory, so it gets a new one. Open a second tab: both
                can refresh at any time, and neither is signed out.
 5 Revoke       Press "Revoke" there. The page still has its access token, which the API
                verifies itself. Within half a second "Read orders" is refused, because
                Keyturn notifies the API. "Refund" asks Keyturn and is refused at once.
 6 Everywhere   Sign in again there. Then open ${issuer}/account and press "Sign out
                everywhere". Within a second the order desk shows that its session was ended:
                Keyturn notified it (back-channel log-out). Pocket orders gets no more tokens.
 7 A machine    ${report}
                Run it again: npx node --env-file=${kept}/machine.env examples/machine/main.ts

To see what happened as an operator, run in another terminal:
  DATA_DIR=${kept} npm run keyturn -- families list --all
  DATA_DIR=${kept} npm run keyturn -- logouts list

The programs are in examples/; each can be read and copied on its own. Keyturn's log is
${kept}/keyturn.log. To start from scratch: rm -rf ${kept}

${yours.join('')}Press Ctrl-C to stop everything.
`
}
