import { existsSync } from 'node:fs'
import { chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { findProgram, unprivilegedUser } from './binaries.ts'
import { startChild, temporaryFolder } from './child.ts'
import { eventually } from './eventually.ts'
import { printNotice, servicesRequired } from './root-hooks.ts'

const modules = '/usr/lib/apache2/modules'
const needed = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'auth_openidc', 'include']
const program = () => findProgram('apache2') ?? ['/usr/sbin/apache2'].find(existsSync)

/** Whether Apache with mod_auth_openidc is installed. If not, says so, or fails where services are required. */
export function apacheFound(): boolean {
  const missing = [
    ...(program() === undefined ? ['apache2'] : []),
    ...(existsSync(join(modules, 'mod_auth_openidc.so')) ? [] : ['mod_auth_openidc']),
  ]
  if (missing.length === 0) return true
  const what = `NOT TESTED with Apache: no ${missing.join(', no ')} on this machine.`
  if (servicesRequired()) throw new Error(`${what} REQUIRE_SERVICES=1 asks for it.`)
  printNotice(what, 'Debian: apt-get install apache2 libapache2-mod-auth-openidc.')
  return false
}

/** A virtual host on a port of 127.0.0.1. */
export interface Site {
  readonly port: number
  /** Its directives. */
  readonly config: string
  /** Path → page, with server-side includes. */
  readonly pages: Readonly<Record<string, string>>
  /** Trusted CA certificates, PEM. */
  readonly authorities: string
}

export interface Apache {
  /** The error log. */
  log(): Promise<string>
  stop(): Promise<void>
}

/**
 * Starts Debian's Apache with only these sites, in a temporary folder; as an unprivileged user when run by root.
 *
 * @throws Error with its log when it does not start.
 */
export async function startApache(sites: readonly Site[]): Promise<Apache> {
  const folder = await temporaryFolder('apache')
  const user = unprivilegedUser()
  const log = () => readFile(join(folder, 'error.log'), 'utf8')
  const hosts = sites.map(({ port, config }) => {
    const root = join(folder, String(port))
    return `Listen 127.0.0.1:${port}
<VirtualHost 127.0.0.1:${port}>
ServerName localhost:${port}
OIDCCABundlePath ${root}.pem
DocumentRoot ${root}
<Directory ${root}>
Options +Includes
SetOutputFilter INCLUDES
</Directory>
${config}
</VirtualHost>`
  })
  await writeFile(
    join(folder, 'httpd.conf'),
    `ServerRoot ${folder}
ServerName localhost
PidFile ${folder}/pid
DefaultRuntimeDir ${folder}
Mutex file:${folder}
ErrorLog ${folder}/error.log
LogLevel warn auth_openidc:info
ServerLimit 1
StartServers 1
ThreadsPerChild 16
MaxRequestWorkers 16
${needed.map((name) => `LoadModule ${name}_module ${modules}/mod_${name}.so`).join('\n')}
${hosts.join('\n')}
`,
  )
  for (const { port, pages, authorities } of sites) {
    await writeFile(join(folder, `${port}.pem`), authorities)
    for (const [path, content] of Object.entries(pages)) {
      const file = join(folder, String(port), path)
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, content)
    }
  }
  if (user) await chown(folder, user.uid, user.gid)
  const child = await startChild(
    program() as string,
    ['-f', join(folder, 'httpd.conf'), '-DFOREGROUND'],
    { cwd: folder, env: { PATH: '/usr/bin:/bin' }, ...user },
  )
  const answers = await eventually('Apache answers', async () => {
    if (child.ended()) return 'no'
    for (const { port } of sites) await fetch(`http://127.0.0.1:${port}/`)
    return 'yes'
  })
  if (answers === 'no') throw new Error(`Apache does not start:\n${child.stderr()}`)
  return {
    log,
    async stop() {
      await child.stop()
    },
  }
}
