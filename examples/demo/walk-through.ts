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
  Keyturn          ${issuer}    who signs in, and who may what

  Sign in as       alice@example.com
  Password         correct horse battery staple

 1 Sign in      Open ${web} and press "Sign in". Keyturn asks for the password, then
                whether the app may. The page shows what the app got.
 2 Call         Press "Place an order", then "Read orders". The API verified the token by
                itself: nobody was asked.
 3 Refresh      Press "Refresh": a new access token, a new refresh token, the same family.
 4 The other    Open ${browser} and sign in: no password this time. Reload the page: the
                token was in its memory alone, and it gets another. Open a second tab: both
                refresh whenever they like, and neither is signed out.
 5 Revoke       There, press "Revoke". The page still has its access token, which the API
                verifies by itself. "Read orders" is refused all the same, within half a
                second: Keyturn tells the API. "Refund" asks Keyturn, and is refused at once.
 6 Everywhere   Sign in again there. Then open ${issuer}/account and press "Sign out
                everywhere". The order desk shows within a second that its session was ended:
                Keyturn told it (back-channel log-out). Pocket orders gets no token any more.
 7 A machine    ${report}
                Again: npx node --env-file=${kept}/machine.env examples/machine/main.ts

What happened, as the operator sees it, in another terminal:
  DATA_DIR=${kept} npm run keyturn -- families list --all
  DATA_DIR=${kept} npm run keyturn -- logouts list

The programs are in examples/, each to be read and copied alone. Keyturn's log is
${kept}/keyturn.log. To begin again with nothing: rm -rf ${kept}

${yours.join('')}Press Ctrl-C to stop everything.
`
}
