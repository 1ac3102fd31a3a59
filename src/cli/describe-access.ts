import type { Command as Program } from 'commander'
import { leaf, ofTenant, type Start } from './describe.ts'

/** What people and devices have been given: families, consent, sessions. */
export function describeAccess(program: Program, run: Start): void {
  const families = program.command('families').description('refresh-token families')
  ofTenant(leaf(families, 'families list', 'list the active families', run))
    .option('--account <identifier>', 'of one account')
    .option('--client <client_id>', 'of one client')
    .option('--all', 'include families that have ended')
  ofTenant(leaf(families, 'families show', 'print the timeline of a family', run)).argument('<id>')
  ofTenant(leaf(families, 'families revoke', 'end a family and its access tokens', run)).argument(
    '<id>',
  )

  const grants = program.command('grants').description('consent that users gave to clients')
  ofTenant(leaf(grants, 'grants list', 'list the consent in force', run))
    .option('--account <identifier>', 'of one account')
    .option('--client <client_id>', 'of one client')
  ofTenant(leaf(grants, 'grants revoke', 'withdraw the consent of an account to a client', run))
    .argument('<identifier>', 'e-mail address or user name')
    .argument('<client_id>')

  const sessions = program.command('sessions').description('signed-in browsers')
  ofTenant(leaf(sessions, 'sessions list', 'list the active sessions', run)).option(
    '--account <identifier>',
    'of one account',
  )
  ofTenant(
    leaf(sessions, 'sessions end', 'sign a browser out, and all clients in it', run),
  ).argument('<id>')
}
