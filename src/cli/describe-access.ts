import type { Command as Program } from 'commander'
import { leaf, ofTenant, type Start } from './describe.ts'

/** What people and devices have been given: families, consent, sessions. */
export function describeAccess(program: Program, run: Start): void {
  const families = program.command('families').description('refresh-token families')
  ofTenant(leaf(families, 'families list', 'list the families that live', run))
    .option('--account <identifier>', 'of one account')
    .option('--client <client_id>', 'of one client')
    .option('--all', 'those that have ended, too')
  ofTenant(leaf(families, 'families show', 'print the time line of a family', run)).argument('<id>')
  ofTenant(leaf(families, 'families revoke', 'end a family and its access tokens', run)).argument(
    '<id>',
  )

  const grants = program.command('grants').description('what people allowed clients')
  ofTenant(leaf(grants, 'grants list', 'list what people allow clients', run))
    .option('--account <identifier>', 'of one account')
    .option('--client <client_id>', 'of one client')
  ofTenant(leaf(grants, 'grants revoke', 'withdraw what an account allowed a client', run))
    .argument('<identifier>', 'e-mail address or user name')
    .argument('<client_id>')

  const sessions = program.command('sessions').description('browsers that are signed in')
  ofTenant(leaf(sessions, 'sessions list', 'list the sessions that live', run)).option(
    '--account <identifier>',
    'of one account',
  )
  ofTenant(
    leaf(sessions, 'sessions end', 'sign a browser out, and all clients in it', run),
  ).argument('<id>')
}
