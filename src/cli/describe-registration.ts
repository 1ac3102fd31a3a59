import type { Command as Program } from 'commander'
import { longestTtl, mostUses } from '../registration/initial-tokens.ts'
import { leaf, numberFrom, ofTenant, type Start } from './describe.ts'

/** Who may register clients. */
export function describeRegistration(program: Program, run: Start): void {
  const registration = program.command('registration').description('self-registration of clients')
  const tokens = registration.command('tokens').description('initial access tokens (RFC 7591)')
  const create = leaf(
    tokens,
    'registration tokens create',
    'create a token to register clients with',
    run,
  )
  ofTenant(create)
    .option('--name <name>', 'whom it is for')
    .option('--uses <number>', 'how many clients it may register', numberFrom(1, mostUses), 1)
    .option('--ttl <seconds>', 'how long it is valid', numberFrom(1, longestTtl), 86_400)
  ofTenant(leaf(tokens, 'registration tokens list', 'list the valid tokens', run))
  ofTenant(leaf(tokens, 'registration tokens revoke', 'revoke a token', run)).argument('<id>')
}
