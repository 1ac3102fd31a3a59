import { Option, type Command as Program } from 'commander'
import { leaf, ofTenant, type Start } from './describe.ts'

/** People who are asked to make an account. */
export function describeInvitations(program: Program, run: Start): void {
  const invitations = program.command('invitations').description('invitations to create an account')
  ofTenant(
    leaf(invitations, 'invitations create', 'mail somebody a link to create an account', run),
  )
    .requiredOption('--email <address>', 'recipient of the mail, and address to sign in with')
    .option('--name <name>', 'name of the person, who may change it')
    .addOption(new Option('--language <language>', 'language of the mail').choices(['en', 'de']))
  ofTenant(
    leaf(invitations, 'invitations list', 'list invitations that have not been accepted', run),
  )
  ofTenant(leaf(invitations, 'invitations revoke', 'revoke a mailed link', run)).argument('<email>')
}
