/**
 * Traces of requests (OpenTelemetry). This file is all that the others know; without a collector it does nothing, and
 * what makes traces is not loaded. No attribute carries what belongs to a person or opens anything: no addresses, no
 * queries, no paths but templates, no parameters of statements, no texts of errors.
 */

export type Attributes = Record<string, string | number>

interface SpanStart {
  name: string
  kind: 'internal' | 'client'
  attributes: Attributes
  /** It is worth a trace of its own where no request is under way. */
  root?: true
}

/** A span that is under way; what is set after its end is lost. */
export interface Span {
  set(attributes: Attributes): void
  /** @param type of one of a few kinds of error (`error.type`): a status, a code, a class; never a text */
  fail(type: string): void
}

export interface RequestSpan extends Span {
  rename(name: string): void
  end(): void
}

export interface Tracer {
  /** @param traceparent what an earlier program said, where it is believed (W3C Trace Context §3.2) */
  request(traceparent: string | undefined, work: (span: RequestSpan) => void): void
  span<T>(start: SpanStart, work: (span: Span) => Promise<T>): Promise<T>
  /** Of what is under way here. */
  ids(): { trace_id: string; span_id: string } | undefined
  /** Sends what has not been sent. */
  stop(): Promise<void>
}

/** A process has one or none: it goes along with the work, as its origin does (origin.ts). */
let current: Tracer | undefined

export function useTracer(tracer: Tracer | undefined): void {
  current = tracer
}

export const currentTracer = (): Tracer | undefined => current

export const untold: Span = { set: () => undefined, fail: () => undefined }

/**
 * Runs `work`, as a step of the request that is under way here if that is traced.
 * @param start what the step is; not asked for otherwise
 */
export function traced<T>(start: () => SpanStart, work: (span: Span) => Promise<T>): Promise<T> {
  return current ? current.span(start(), work) : work(untold)
}
