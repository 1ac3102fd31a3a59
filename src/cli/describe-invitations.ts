import { Option, type Command as Program } from 'commander'
import { leaf, ofTenant, type Start } from './describe.ts'

/** People who are asked to make an account. */
export function describeInvitations(program: Program, run: Start): void {
  const invitations = program
    .command('invitations')
    .description('people who are asked to make an account')
  ofTenant(leaf(invitations, 'invitations create', 'mail somebody a link to an account', run))
    .requiredOption('--email <address>', 'where the mail goes, and what its reader signs in with')
    .option('--name <name>', 'the name of the person, who may change it')
    .addOption(new Option('--language <language>', 'of the mail').choices(['en', 'de']))
  ofTenant(leaf(invitations, 'invitations list', 'list who has not accepted yet', run))
  ofTenant(
    leaf(invitations, 'invitations revoke', 'make a link void that was mailed', run),
  ).argument('<email>')
}
