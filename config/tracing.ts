import { z } from 'zod'
import type { Setting } from './setting.ts'
import { flag, isEncoded, oneOf, text } from './values.ts'

const collector = z
  .string()
  .regex(/^https?:\/\/[^\s?#]+$/)
  .refine((url) => URL.canParse(url))
  .describe('an http:// or https:// URL without a query')

/** Name-value pairs as OpenTelemetry writes them. Output: by name, percent-decoded. */
const pairs = z
  .string()
  .transform((list) => list.split(',').filter((pair) => pair.trim() !== ''))
  .transform((list, context) => {
    const wrong = list.find((pair) => !/^\s*[^=\s]+\s*=/.test(pair) || !isEncoded(pair))
    if (wrong === undefined) return list
    context.addIssue({ code: 'custom', message: `${JSON.stringify(wrong)} is not such a pair` })
    return z.NEVER
  })
  .transform((list) =>
    Object.fromEntries(
      list.map((pair) => {
        const [name = '', ...value] = pair.split('=')
        return [name.trim(), decodeURIComponent(value.join('=').trim())] as const
      }),
    ),
  )
  .describe('name=value pairs, separated by commas, special characters percent-encoded')

const serviceName = text(200)

/** Values that replace OTEL_SERVICE_NAME are checked where they were set. */
const attributes = pairs
  .refine(({ 'service.name': name = '' }) => serviceName.safeParse(name).success, {
    error: `service.name: expected ${serviceName.description}`,
  })
  .describe(pairs.description ?? '')

const protocol = oneOf(['http/json', 'http/protobuf', 'grpc'])

const samplers = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const

/** Traces by the settings of OpenTelemetry: a part of the table in config.ts. */
export const tracing = {
  otlpEndpoint: {
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    group: 'Observability',
    schema: collector,
    description:
      'The OpenTelemetry collector for traces, over OTLP/HTTP (JSON): its base URL, such as `http://localhost:4318`. Without it, nothing is traced.',
  },
  otlpTracesEndpoint: {
    env: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
    group: 'Observability',
    schema: collector,
    optional: true,
    default: {
      text: '`OTEL_EXPORTER_OTLP_ENDPOINT` with `/v1/traces`',
      from: ({ otlpEndpoint: base }) => base && `${base.replace(/\/+$/, '')}/v1/traces`,
    },
    description: 'The same as a complete URL.',
  },
  otlpHeaders: {
    env: 'OTEL_EXPORTER_OTLP_HEADERS',
    group: 'Observability',
    schema: pairs,
    secret: true,
    default: '',
    description: 'Headers for the collector, such as an API key: `name=value`.',
  },
  otlpTracesHeaders: {
    env: 'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
    group: 'Observability',
    schema: pairs,
    secret: true,
    default: '',
    description:
      'The same, only for traces, in addition to those above; for a name in both, this value is sent.',
  },
  otelDisabled: {
    env: 'OTEL_SDK_DISABLED',
    group: 'Observability',
    schema: flag,
    default: 'off',
    description: 'Turns tracing off, regardless of the other settings.',
  },
  otelTracesExporter: {
    env: 'OTEL_TRACES_EXPORTER',
    group: 'Observability',
    schema: oneOf(['otlp', 'none']),
    default: 'otlp',
    description: 'Where traces go: to the collector, or nowhere.',
  },
  otlpProtocol: {
    env: 'OTEL_EXPORTER_OTLP_PROTOCOL',
    group: 'Observability',
    schema: protocol,
    default: 'http/json',
    description:
      'The protocol, which is always `http/json`. Another value, which may be set for all programs of a machine, only causes a warning.',
  },
  otlpTracesProtocol: {
    env: 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL',
    group: 'Observability',
    schema: protocol,
    default: {
      text: '`OTEL_EXPORTER_OTLP_PROTOCOL`',
      from: ({ otlpProtocol }) => otlpProtocol,
    },
    description: 'The same, only for traces.',
  },
  otelResourceAttributes: {
    env: 'OTEL_RESOURCE_ATTRIBUTES',
    group: 'Observability',
    schema: attributes,
    default: '',
    description: 'Further resource attributes in traces: `deployment.environment.name=production`.',
  },
  otelServiceName: {
    env: 'OTEL_SERVICE_NAME',
    group: 'Observability',
    schema: serviceName,
    default: {
      text: '`service.name` of `OTEL_RESOURCE_ATTRIBUTES`, or `keyturn`',
      from: ({ otelResourceAttributes: told }) => told?.['service.name'] || 'keyturn',
    },
    description: 'The name of this service in traces.',
  },
  otelSampler: {
    env: 'OTEL_TRACES_SAMPLER',
    group: 'Observability',
    schema: oneOf(samplers),
    default: 'parentbased_always_on',
    description: 'Which requests are traced.',
  },
  otelSamplerArg: {
    env: 'OTEL_TRACES_SAMPLER_ARG',
    group: 'Observability',
    schema: z
      .string()
      .regex(/^(0(\.\d+)?|1(\.0+)?)$/)
      .transform(Number)
      .describe('a number from 0 to 1'),
    default: '1',
    description: 'The ratio of requests that samplers with `traceidratio` trace.',
  },
} satisfies Record<string, Setting>

/** The variables that the OpenTelemetry library reads by itself. */
const byTheLibrary =
  /^OTEL_EXPORTER_OTLP_(TRACES_)?(TIMEOUT|COMPRESSION|CERTIFICATE|CLIENT_CERTIFICATE|CLIENT_KEY)$/

/** The values that each accepts, selected by the last word of its name. */
const library: [
  RegExp,
  expected: string,
  (value: string, readFile: (path: string) => string) => boolean,
][] = [
  [
    /_TIMEOUT$/,
    'milliseconds, a number above 0',
    (value) => /^\d+$/.test(value) && Number(value) > 0,
  ],
  [/_COMPRESSION$/, 'one of none, gzip', (value) => value === 'none' || value === 'gzip'],
  [/_(CERTIFICATE|CLIENT_KEY)$/, 'a readable file', isReadable],
]

function isReadable(path: string, readFile: (path: string) => string): boolean {
  try {
    return readFile(path) !== ''
  } catch {
    return false
  }
}

/** The library silently ignores values that it does not understand, so they are checked here. */
export function tracingFaults(
  env: NodeJS.ProcessEnv,
  readFile: (path: string) => string,
): string[] {
  return Object.entries(env).flatMap(([name, given = '']) => {
    const value = given.trim()
    if (value === '' || !byTheLibrary.test(name)) return []
    const rule = library.find(([names]) => names.test(name))
    return !rule || rule[2](value, readFile)
      ? []
      : [`${name}: expected ${rule[1]}, got ${JSON.stringify(value)}`]
  })
}

/** Names of OpenTelemetry variables that are set but have no effect. */
export function otelWithoutEffect(env: NodeJS.ProcessEnv): string[] {
  const known = new Set(Object.values(tracing).flatMap(({ env: name }) => [name, `${name}_FILE`]))
  return Object.keys(env)
    .filter((name) => name.startsWith('OTEL_') && env[name]?.trim())
    .filter((name) => !known.has(name) && !byTheLibrary.test(name))
    .toSorted()
}
