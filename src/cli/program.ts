import { CommanderError, Option, Command as Program } from 'commander'
import { version } from '../version.ts'
import { type Arguments, type Io, UsageError } from './command.ts'
import { collect, leaf, type Name, numberFrom, ofTenant, type Start } from './describe.ts'
import { describeAccess } from './describe-access.ts'
import { describeAdmin, force } from './describe-admin.ts'
import { describeAudit, describeWebhooks } from './describe-audit.ts'
import { describeInvitations } from './describe-invitations.ts'
import { describeRegistration } from './describe-registration.ts'

/**
 * The command line (architecture §12). Nothing but the parser is loaded until a command is chosen.
 * @param argv without the program's own name
 * @returns the exit code: 0, 1 for a failure, 2 for wrong usage; what failed is on standard error
 */
export async function runCli(argv: string[], io: Io): Promise<number> {
  let exitCode = 0
  const program = describeProgram(io, async (name, args) => {
    exitCode = await start(name, args, io)
  })
  try {
    await program.parseAsync(operandsLast(argv), { from: 'user' })
    return exitCode
  } catch (error) {
    return fail(error, io)
  }
}

/** An id in base64url that begins with a dash: one in 64 does. */
const dashedId = /^-(?:[\w-]{21}|[\w-]{42})$/

/** Moves ids that look like options behind `--`, unless they follow an option as its value. */
function operandsLast(argv: readonly string[]): string[] {
  if (argv.includes('--')) return [...argv]
  const isId = (word: string, at: number) => dashedId.test(word) && !argv[at - 1]?.startsWith('-')
  const ids = argv.filter((word, at) => isId(word, at))
  return ids.length === 0
    ? [...argv]
    : [...argv.filter((word, at) => !isId(word, at)), '--', ...ids]
}

async function start(name: Name, args: Arguments, io: Io): Promise<number> {
  if (name === 'serve') {
    const { serve } = await import('./serve.ts')
    await serve(io)
    return 0
  }
  if (name === 'passwords compile') {
    return (await import('./passwords-compile.ts')).passwordsCompile(args, io)
  }
  if (name === 'audit export') return (await import('./audit-export.ts')).auditExport(args, io)
  if (name === 'doctor') return (await import('./doctor.ts')).doctor(args, io)
  return (await import('./run.ts')).runCommand(name, args, io)
}

function describeProgram(io: Io, run: Start): Program {
  const program = new Program('keyturn')
    .description('An OAuth 2.1 and OpenID Connect authorization server.')
    .version(version, '-V, --version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.out(text.trimEnd()),
      writeErr: (text) => io.err(text.trimEnd()),
      outputError: (text, write) =>
        write(`keyturn: ${text.trim().replace(/^error: /, '')} (see --help)`),
    })
    .addHelpText(
      'after',
      '\nSettings are environment variables: see config/reference.md.\n' +
        'Exit code: 0 done, 1 failed, 2 wrong usage.',
    )

  program
    .command('serve')
    .description('run the server until it is stopped')
    .action(() => run('serve', { operands: [], options: {} }))
  leaf(program, 'migrate', 'bring the database up to date', run).option(
    '--check',
    'change nothing; exit 1 when migrations are pending',
  )
  ofTenant(leaf(program, 'apply', 'apply the declarations in a file', run))
    .argument('<file>', 'YAML or JSON; - is standard input')
    .option('--plan', 'show what would change, and change nothing')
    .option('--check', 'the same, and fail if anything would change')
    .option('--prune', 'delete what is stored but not declared, in the sections that the file has')
    .option('--yes', 'with --prune: confirm the deletion')
    .option('--complete', 'with --check: also fail if something is stored but not declared')
  ofTenant(
    leaf(program, 'export', 'print the configuration as an apply file, without secrets', run),
  )
  leaf(program, 'explain', 'explain why a request was refused, and how to fix it', run)
    .argument(
      '[id]',
      'Request-Id, error_id, or the reference on the page; without it: the latest refusals',
    )
    .option(
      '--authorize <url>',
      'check an authorization request: report every fault, change nothing',
    )
  describeAccounts(program.command('accounts').description('accounts of users and operators'), run)
  describeInvitations(program, run)
  describeClients(program.command('clients').description('relying parties'), run)
  describeRegistration(program, run)
  describeAccess(program, run)
  describeAudit(program, run)
  describeWebhooks(program, run)
  describeTenants(program.command('tenants').description('separate issuers'), run)
  describeAdmin(program, run)
  describeLogouts(program.command('logouts').description('log-out notifications to clients'), run)
  const keys = program.command('keys').description('signing keys, and the key-encryption key')
  ofTenant(leaf(keys, 'keys list', 'list the signing keys and their states', run))
  ofTenant(leaf(keys, 'keys rotate', 'publish the successors of the signing keys', run)).option(
    '--alg <alg>',
    'of this algorithm only',
  )
  ofTenant(leaf(keys, 'keys revoke', 'revoke a compromised signing key at once', run)).argument(
    '<kid>',
  )
  leaf(keys, 'keys rotate-kek', 'seal everything under a new key-encryption key', run)
  const passwords = program.command('passwords').description('lists of forbidden passwords')
  leaf(passwords, 'passwords compile', 'create a PASSWORD_LIST_FILE', run)
    .argument('<list>', 'a file with a password or its SHA-1 on each line')
    .argument('<output>', 'the file to write')
  leaf(program, 'doctor', 'check this installation and say what to fix', run)
  return program
}

function describeAccounts(accounts: Program, run: Start): void {
  ofTenant(leaf(accounts, 'accounts create', 'create an account', run))
    .requiredOption('--email <address>', 'address to sign in with')
    .option('--username <name>', 'name to sign in with, as an alternative')
    .option('--name <name>', 'name of the person')
    .option('--email-verified', 'mark the address as confirmed: it is known to belong to the user')
    .option('--operator', 'make it an operator of this server')
    .option(
      '--password-stdin',
      'read the password from standard input; otherwise a one-time password is generated',
    )
  ofTenant(leaf(accounts, 'accounts list', 'list the accounts', run))
  const identifier = ['<identifier>', 'e-mail address or user name'] as const
  ofTenant(
    leaf(accounts, 'accounts show', 'show who has access to an account, and its history', run),
  ).argument(...identifier)
  ofTenant(leaf(accounts, 'accounts disable', 'prevent an account from signing in', run))
    .argument(...identifier)
    .option(...force)
  ofTenant(leaf(accounts, 'accounts enable', 'let a disabled account sign in again', run)).argument(
    ...identifier,
  )
  ofTenant(
    leaf(accounts, 'accounts reset', 'replace a password with a one-time password', run),
  ).argument(...identifier)
  ofTenant(
    leaf(
      accounts,
      'accounts unlock',
      'unlock an account that was locked after wrong attempts',
      run,
    ),
  ).argument(...identifier)
  ofTenant(
    leaf(
      accounts,
      'accounts remove-factors',
      'remove all second factors, so that the password is enough to sign in',
      run,
    ),
  ).argument(...identifier)
  ofTenant(leaf(accounts, 'accounts sign-out', 'sign an account out everywhere', run)).argument(
    ...identifier,
  )
  ofTenant(
    leaf(accounts, 'accounts sign-out-all', 'sign out all accounts of a tenant', run),
  ).option('--yes', 'confirm that all accounts of the tenant are signed out')
}

function describeTenants(tenants: Program, run: Start): void {
  leaf(tenants, 'tenants list', 'list the tenants', run)
  leaf(tenants, 'tenants disable', 'stop answering for an issuer', run).argument('<id>')
  leaf(tenants, 'tenants enable', 'answer for a disabled issuer again', run).argument('<id>')
}

function describeClients(clients: Program, run: Start): void {
  ofTenant(leaf(clients, 'clients create', 'create a client', run))
    .argument('[file]', 'YAML or JSON with the members of RFC 7591; - is standard input')
    .option('--id <client_id>', 'otherwise one is generated')
    .option('--name <client_name>', 'name that users see')
    .option('--redirect-uri <uri>', 'may be repeated', collect)
    .option('--post-logout-redirect-uri <uri>', 'may be repeated', collect)
    .option('--backchannel-logout-uri <uri>', 'where the client is notified of log-outs')
    .option('--grant <grant_type>', 'may be repeated; default: authorization_code', collect)
    .option('--scope <scope>', 'scope names separated by spaces')
    .option('--public', 'a client that cannot keep a secret: a browser or native app')
  ofTenant(leaf(clients, 'clients list', 'list the clients', run))
  ofTenant(leaf(clients, 'clients rotate-secret', 'give a client a new secret', run))
    .argument('<client_id>')
    .option(
      '--overlap <seconds>',
      'how long the old secrets stay valid',
      numberFrom(0, 999_999_999),
      86_400,
    )
  for (const [word, description] of [
    ['disable', 'block a client and end its families and tokens'],
    ['enable', 'let a disabled client work again'],
    ['delete', 'delete a client and everything that was issued to it'],
  ] as const) {
    const command = leaf(clients, `clients ${word}`, description, run)
    ofTenant(command).argument('<client_id>')
    if (word !== 'enable') command.option(...force)
  }
}

function describeLogouts(logouts: Program, run: Start): void {
  ofTenant(leaf(logouts, 'logouts list', 'list the log-out notifications', run))
    .option('--account <identifier>', 'of one account')
    .option('--client <client_id>', 'of one client')
    .addOption(
      new Option('--state <state>', 'of one state').choices(['waiting', 'delivered', 'failed']),
    )
}

async function fail(error: unknown, io: Io): Promise<number> {
  // Commander has printed its message: help and version have exit code 0, the rest is wrong usage.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  const { describeFailure } = await import('./failure.ts')
  io.err(`keyturn: ${describeFailure(error)}`)
  if (/^\s*(debug|trace)\s*$/.test(io.env['LOG_LEVEL'] ?? '') && error instanceof Error) {
    io.err(error.stack ?? '')
  }
  return error instanceof UsageError ? 2 : 1
}
