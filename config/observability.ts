import type { Setting } from './setting.ts'
import { host, integer } from './values.ts'

/** Metrics: a part of the table in config.ts. */
export const observability = {
  metricsPort: {
    env: 'METRICS_PORT',
    group: 'Observability',
    schema: integer(1, 65535),
    description:
      'The TCP port of `/metrics` for Prometheus, over plain HTTP and without authentication. Without it, nothing is measured. With several `WORKERS`, it covers all of them.',
  },
  metricsHost: {
    env: 'METRICS_HOST',
    group: 'Observability',
    schema: host,
    default: '127.0.0.1',
    description:
      'The address to listen on for metrics. If it is not loopback, restrict access with a firewall or a network policy.',
  },
} as const satisfies Record<string, Setting>

/** The metrics port must differ from the public ones: metrics must not be reachable at a public address. */
export function observabilityFaults(given: {
  port?: unknown
  mtlsPort?: unknown
  metricsPort?: unknown
}): string[] {
  const { metricsPort: port } = given
  if (typeof port !== 'number') return []
  const taken = [
    ['PORT', given.port],
    ['MTLS_PORT', given.mtlsPort],
  ] as const
  return taken.flatMap(([name, other]) =>
    other === port ? [`METRICS_PORT: expected a port other than ${name}, got ${port}`] : [],
  )
}
