import { Option, type Command as Program } from 'commander'
import { collect, leaf, numberFrom, ofTenant, type Start } from './describe.ts'

/** What happened: events, and the chain over them. */
export function describeAudit(program: Program, run: Start): void {
  const audit = program.command('audit').description('what happened, and who did it')
  filtered(leaf(audit, 'audit list', 'list events, newest first', run))
    .option('--limit <count>', 'number of events, 1000 at most', numberFrom(1, 1000), 50)
    .option('--after <place>', 'continue after an earlier page')
  filtered(leaf(audit, 'audit export', 'print events as NDJSON, oldest first', run))
  ofTenant(leaf(audit, 'audit verify', 'check whether events were tampered with', run))
    .option('--from-head <head>', 'start at a head that was recorded earlier')
    .option('--all', 'the chains of all tenants')
}

/** Where events are sent. */
export function describeWebhooks(program: Program, run: Start): void {
  const webhooks = program.command('webhooks').description('where audit events are sent')
  ofTenant(leaf(webhooks, 'webhooks list', 'list the webhooks', run))
  ofTenant(leaf(webhooks, 'webhooks deliveries', 'list the deliveries', run))
    .option('--url <url>', 'to one webhook')
    .addOption(
      new Option('--state <state>', 'of one state').choices(['waiting', 'delivered', 'failed']),
    )
  ofTenant(leaf(webhooks, 'webhooks retry', 'retry failed deliveries', run))
    .option('--url <url>', 'to one webhook')
    .option('--id <id>', 'only this delivery')
  ofTenant(leaf(webhooks, 'webhooks remove', 'remove a webhook', run)).argument('<url>')
}

function filtered(command: Program): Program {
  return ofTenant(command)
    .option('--type <type>', 'may be repeated', collect)
    .option('--account <identifier>', 'of one account: e-mail address, user name or id')
    .option('--client <client_id>', 'of one client')
    .option('--family <id>', 'of one refresh-token family')
    .option('--request <id>', 'of one request')
    .option('--since <time>', 'from this time on: 2026-01-31, 2026-01-31T12:00:00Z, 90m, 12h or 7d')
    .option('--until <time>', 'before this time')
}
