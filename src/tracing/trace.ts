/**
 * Tracing of requests (OpenTelemetry). Other modules know only this file. Without a collector it does nothing, and the
 * SDK is not loaded. No attribute may contain personal data or credentials: no IP addresses, no queries, no paths but
 * templates, no statement parameters, no error texts.
 */

export type Attributes = Record<string, string | number>

interface SpanStart {
  name: string
  kind: 'internal' | 'client'
  attributes: Attributes
  /** Starts a trace of its own outside of a request. */
  root?: true
}

/** A span in progress; attributes set after its end are lost. */
export interface Span {
  set(attributes: Attributes): void
  /** @param type one of few error types (`error.type`): a status, a code, a class; never a text */
  fail(type: string): void
}

export interface RequestSpan extends Span {
  rename(name: string): void
  end(): void
}

export interface Tracer {
  /** @param traceparent of a trusted caller (W3C Trace Context §3.2) */
  request(traceparent: string | undefined, work: (span: RequestSpan) => void): void
  span<T>(start: SpanStart, work: (span: Span) => Promise<T>): Promise<T>
  /** Ids of the current span. */
  ids(): { trace_id: string; span_id: string } | undefined
  /** Sends the remaining spans. */
  stop(): Promise<void>
}

/**
 * The tracer of this process, if it traces. Its current span follows the asynchronous context, as the origin does
 * (origin.ts).
 */
let current: Tracer | undefined

export function useTracer(tracer: Tracer | undefined): void {
  current = tracer
}

export const currentTracer = (): Tracer | undefined => current

export const untold: Span = { set: () => undefined, fail: () => undefined }

/**
 * Runs `work` in a span, if the current request is traced.
 * @param start describes the span; not called otherwise
 */
export function traced<T>(start: () => SpanStart, work: (span: Span) => Promise<T>): Promise<T> {
  return current ? current.span(start(), work) : work(untold)
}
