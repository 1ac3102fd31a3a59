import { Argument, type Command as Program } from 'commander'
import { adminRoles, everywhere } from '../roles/role.ts'
import { leaf, type Start } from './describe.ts'

/** Break-glass option: another owner can be made on this machine. */
export const force = ['--force', 'even for the last owner of the admin API'] as const

/** Who administers this server through its API. */
export function describeAdmin(program: Program, run: Start): void {
  const admin = program.command('admin').description('the admin API')
  leaf(admin, 'admin bootstrap', 'create the first owners, once', run)

  const roles = program.command('roles').description('administrative roles')
  leaf(roles, 'roles list', 'list who has which role', run)
  leaf(roles, 'roles grant', 'give a role to an account or a client', run)
    .addArgument(new Argument('<role>').choices(adminRoles))
    .option('--account <identifier>', 'e-mail address or user name, of the default tenant')
    .option('--client <client_id>', 'a client of the default tenant')
    .option('--in <tenant>', 'for this tenant only', everywhere)
  leaf(roles, 'roles revoke', 'revoke a role', run)
    .argument('<id>')
    .option(...force)
}
