import {
  type DestinationStream,
  type LevelWithSilent,
  type Logger,
  pino,
  stdTimeFunctions,
} from 'pino'
import { createLogDestination, type LogDestination, openStandardOutput } from './log-destination.ts'
import { type LogFigures, limitRepeats } from './log-repeats.ts'
import { currentOrigin } from './origin.ts'
import { declaredSecrets } from './secret-members.ts'
import { currentTracer } from './tracing/trace.ts'

export type Log = Logger

const figures = new WeakMap<Log, LogFigures>()

/** What has been logged through a log so far. */
export const figuresOf = (log: Log): LogFigures =>
  figures.get(log) ?? { lines: {}, withheld: 0, lost: 0 }

/** Members whose value is never written, at any depth; compared in lower case. */
const secretMembers = new Set<string>([
  ...declaredSecrets,
  ...`authorization proxy-authorization cookie set-cookie new_password confirm_password current_password
  code device_code user_code otp recovery_code auth_req_id client_notification_token login_hint_token assertion
  access_token refresh_token id_token id_token_hint token client_assertion code_verifier csrf
  one_time_password registration_access_token`.split(/\s+/),
])

const hidden = '[redacted]'

/** Patterns of secrets within any text. Each is linear in the length of the text. */
const dottedRuns = /(?<![\w.-])[\w-]+(?:\.[\w-]*){2,}/g
const queryValues = /([?&#][^=&?#\s"'<>]+=)[^&#\s"'<>]*/g
const namedValues = new RegExp(
  `(?<![\\w-])((?:${[...secretMembers].join('|')})(?:=|["']\\s*:\\s*["']?))[^&\\s"'<>]+`,
  'gi',
)
const credentials = /\b(Bearer|Basic|DPoP) +[\w.~+/=-]{16,}/gi
const userInfo = /\/\/[^\s/?#@]+@/g
/** RFC 7468 §10, §11, and the older forms. A truncated key extends to the end of the text. */
const privateKeys = /-----BEGIN [A-Z ]*PRIVATE KEY.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/gs
/** Matches every line that redaction would change. Almost no line matches; the others are written unchanged. */
const suspicious = new RegExp(
  `eyJ|[?&#][^=&?#\\s"'<>]+=|(?:Bearer|Basic|DPoP) |-----BEGIN [A-Z ]*PRIVATE KEY|//[^\\s/?#@]+@|(?:${[...secretMembers].join('|')})(?:=|\\\\*["'](?:\\s|\\\\\\w+)*:)`,
  'i',
)

/**
 * Structured logs: one JSON object per line, UTC time, level as a word, no secrets (ASVS 16.2, 16.4.1).
 *
 * Redaction works on the finished line, so that child bindings, messages, errors and objects of any depth pass the
 * same two checks: the names of members, and the look of values (JWTs, values of query strings, credentials).
 * Every line within a request names it, and its trace where there is one.
 * The same warning is written a few times and then now and then, with how many it stands for (log-repeats.ts).
 * A `code` survives only in an error, where it says what failed; elsewhere it is an authorization code.
 * @param destination standard output when absent
 * @param worker which of several processes writes, on every line
 */
export function createLog({
  level,
  destination,
  worker,
}: {
  level: LevelWithSilent
  destination?: DestinationStream
  worker?: number | string
}): Log {
  const said: LogFigures = { lines: {}, withheld: 0, lost: 0 }
  const log: Log = pino(
    {
      level,
      base: { service: 'keyturn', ...(worker === undefined ? {} : { worker }) },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: describeError },
      mixin: ofRequest,
      depthLimit: 8,
      hooks: { streamWrite: redactLine, logMethod: limitRepeats(said) },
    },
    destination ??
      standardOutput(said, (lost, reason) => log.warn({ lost, reason }, 'log lines were lost')),
  )
  figures.set(log, said)
  return log
}

const standardOutputs: LogDestination[] = []
// One listener, however many logs a process has.
process.once('exit', () => {
  for (const { flushSync } of standardOutputs) flushSync()
})

function standardOutput(
  losses: LogFigures,
  tell: (lost: number, reason: string) => void,
): LogDestination {
  const destination = createLogDestination(openStandardOutput(), losses, tell)
  standardOutputs.push(destination)
  return destination
}

function ofRequest(): object {
  const { requestId } = currentOrigin()
  const trace = currentTracer()?.ids()
  return { ...(requestId === undefined ? {} : { request_id: requestId }), ...trace }
}

function redactLine(line: string): string {
  return suspicious.test(line) ? `${JSON.stringify(JSON.parse(line), redact)}\n` : line
}

function redact(this: unknown, member: string, value: unknown): unknown {
  if (secretMembers.has(member.toLowerCase()) && value !== null) {
    const inError =
      member === 'code' && typeof this === 'object' && this !== null && 'stack' in this
    if (!inError) return hidden
  }
  return typeof value === 'string' ? redactText(value) : value
}

function redactText(text: string): string {
  return text
    .replace(privateKeys, hidden)
    .replace(dottedRuns, (run) => (run.includes('eyJ') ? hidden : run))
    .replace(queryValues, `$1${hidden}`)
    .replace(namedValues, `$1${hidden}`)
    .replace(credentials, `$1 ${hidden}`)
    .replace(userInfo, `//${hidden}@`)
}

/** Errors deeper than this are left out of a chain of causes. */
const longestChain = 5

/**
 * The members of an error that belong in a line; others (statements, parameters, requests) may hold secrets. Expected
 * failures that affect every request (503: storage is down, keys are stale) are logged without a stack.
 */
function describeError(error: unknown): unknown {
  const isExpected = isDomain(error) && error.status === 503
  const [first, ...causes] = chainOf(error).map((each) => describeOne(each, isExpected))
  return causes.length > 0 ? { ...first, causes } : first
}

function chainOf(error: unknown): unknown[] {
  const chain = [error]
  while (chain.length <= longestChain) {
    const last = chain.at(-1)
    const next = last instanceof AggregateError ? last.errors[0] : undefined
    const cause = last instanceof Error ? (last.cause ?? next) : undefined
    if (cause === undefined) break
    chain.push(cause)
  }
  return chain
}

/** Whether an error is a DomainError, which this file must not import (errors.ts). */
function isDomain(error: unknown): error is Error & { detail: unknown; status?: unknown } {
  return error instanceof Error && 'publicMessage' in error && 'detail' in error
}

function describeOne(error: unknown, isExpected: boolean): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) }
  const { code } = error as NodeJS.ErrnoException
  return {
    type: error.constructor.name,
    message: error.message,
    stack: isExpected ? null : (error.stack ?? null),
    ...(code === undefined ? {} : { code }),
    // Only our own details: those of the database quote rows.
    ...(isDomain(error) ? { detail: error.detail } : {}),
  }
}
