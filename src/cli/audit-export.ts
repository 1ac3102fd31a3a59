import { loadConfig } from '../../config/load.ts'
import { createClock } from '../clock.ts'
import { auditFilterOption } from './audit-filter.ts'
import type { AuditOutput } from './audit-list.ts'
import type { Arguments, Io } from './command.ts'
import { performAll } from './perform.ts'
import { adoptClockOffset } from './process-clock.ts'
import { commandLog } from './run.ts'

/** Events per answer of the process that owns the storage; neither side ever holds more. */
const pageSize = 1000

/**
 * `audit export`: prints events as NDJSON, one a line, the oldest first.
 * @returns the exit code
 * @throws UsageError, DomainError
 */
export async function auditExport(args: Arguments, io: Io): Promise<number> {
  const config = loadConfig(io.env)
  await adoptClockOffset(config)
  const filter = auditFilterOption(args, createClock().now())
  await performAll('audit list', { config, log: commandLog(config, io) }, async (run) => {
    let after: string | undefined
    do {
      const place = after === undefined ? {} : { after }
      const page = (await run({
        ...filter,
        ...place,
        order: 'oldest',
        limit: pageSize,
      })) as AuditOutput
      if (page.events.length > 0)
        await io.out(page.events.map((event) => JSON.stringify(event)).join('\n'))
      after = page.next
    } while (after !== undefined)
  })
  return 0
}
