import { existsSync } from 'node:fs'
import { chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findProgram, unprivilegedUser } from './binaries.ts'
import { type Child, startChild, temporaryFolder } from './child.ts'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { printNotice, servicesRequired } from './root-hooks.ts'

const program = () => findProgram('pgbouncer') ?? ['/usr/sbin/pgbouncer'].find(existsSync)

/** Whether PgBouncer is installed. If not, says so, or fails where services are required. */
export function pgbouncerFound(): boolean {
  if (program() !== undefined) return true
  const what = 'NOT TESTED behind PgBouncer: it is not on this machine.'
  if (servicesRequired()) throw new Error(`${what} REQUIRE_SERVICES=1 asks for it.`)
  printNotice(what, 'Debian: apt-get install pgbouncer.')
  return false
}

/**
 * Starts PgBouncer in transaction mode, as in docs/deployment.md, in front of a test Postgres.
 * @returns the URL of the same database behind it
 * @throws Error with its log when it does not start
 */
export async function startPgbouncer(databaseUrl: string): Promise<{ url: string; child: Child }> {
  const folder = await temporaryFolder('pgbouncer')
  const user = unprivilegedUser()
  const port = await freePort()
  const behind = new URL(databaseUrl)
  await writeFile(
    join(folder, 'pgbouncer.ini'),
    `[databases]
* = host=${behind.hostname} port=${behind.port} user=${behind.username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
ignore_startup_parameters = statement_timeout,idle_in_transaction_session_timeout
`,
  )
  if (user) await chown(folder, user.uid, user.gid)
  const child = await startChild(program() as string, [join(folder, 'pgbouncer.ini')], {
    cwd: folder,
    env: { PATH: '/usr/bin:/bin' },
    ...user,
  })
  await eventually('PgBouncer listens', () => {
    if (child.ended()) throw new Error(`PgBouncer does not start:\n${child.stderr()}`)
    return child.stderr().includes('process up')
  })
  return { url: Object.assign(behind, { port: String(port) }).href, child }
}
