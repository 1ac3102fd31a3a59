import type { Log } from '../log.ts'
import { type MetricsEndpoint, serveMetrics } from './endpoint.ts'
import type { Figures } from './registry.ts'
import { textOf } from './text.ts'

/**
 * Serves the metrics of a single process.
 * @throws DomainError `config_invalid` when the port cannot be opened
 */
export function serveOwnMetrics(
  place: { port: number; host: string; log: Log },
  read: (shared: boolean) => Promise<Figures>,
): Promise<MetricsEndpoint> {
  return serveMetrics(place, async () => textOf([await read(true)]))
}
