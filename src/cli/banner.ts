import type { Config } from '../../config/config.ts'
import { maskUrl } from '../../config/load.ts'

/** What `serve` prints to the person who started it. */
export interface Started {
  version: string
  config: Config
  /** Where the data is, without credentials. */
  storage: string
  /** Number of processes that answer requests. */
  workers: number
  /** Only on the first start. */
  operator?: { email: string; oneTimePassword: string } | undefined
}

/** What is printed once the server answers: plain text for a person, not a log line. */
export function banner({ version, config, storage, workers, operator }: Started): string {
  const { issuer } = config
  return [
    '',
    `Keyturn ${version} is ready.`,
    '',
    `  Issuer       ${issuer}`,
    `  Discovery    ${issuer}/.well-known/openid-configuration`,
    `  Data         ${storage}`,
    ...(config.redis ? [`  Short-lived  Redis at ${redisPlace(config.redis)}`] : []),
    ...(workers > 1 ? [`  Workers      ${workers}`] : []),
    '  Stop it      Ctrl-C',
    '',
    'Next steps:',
    `  Sign in at ${issuer}/account`,
    '  Declare clients and resource servers: npm run keyturn -- apply <file>',
    '  A five-minute tour is in README.md',
    '',
    ...(operator ? [operatorBox(operator, config.oneTimePasswordTtl), ''] : []),
  ].join('\n')
}

/**
 * The operator created by the first start, in a box that is hard to overlook.
 * @param lifetime of the password, in seconds
 */
export function operatorBox(
  { email, oneTimePassword }: { email: string; oneTimePassword: string },
  lifetime: number,
): string {
  return box([
    'First start: this is your operator account.',
    '',
    `  E-mail             ${email}`,
    `  One-time password  ${oneTimePassword}`,
    '',
    'The password is shown once. You choose your own at the first sign-in.',
    `It is valid for ${hours(lifetime)}. To create a new one:`,
    `  npm run keyturn -- accounts reset ${email}`,
  ])
}

function box(lines: string[]): string {
  const width = Math.max(...lines.map((line) => line.length))
  const edge = '═'.repeat(width + 4)
  const body = lines.map((line) => `║  ${line.padEnd(width)}  ║`)
  return [`╔${edge}╗`, ...body, `╚${edge}╝`].join('\n')
}

function hours(seconds: number): string {
  return seconds < 7200
    ? `${Math.round(seconds / 60)} minutes`
    : `${Math.round(seconds / 3600)} hours`
}

function redisPlace(target: NonNullable<Config['redis']>): string {
  if (target.kind === 'single') return maskUrl(target.url)
  return target.nodes.map(({ host, port }) => `${host}:${port}`).join(', ')
}
