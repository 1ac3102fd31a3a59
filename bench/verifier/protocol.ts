/** The messages between the benchmark and its API. */
export interface Settings {
  issuer: string
  /** The node that the API sends its requests to. */
  node: string
  audience: string
  clientId: string
  clientSecret: string
}

export type Way = 'offline' | 'poll' | 'stream' | 'introspect'

export type Order =
  | { do: 'prepare' }
  | { do: 'verify'; way: Way; token: string; rate: number; seconds: number }
  | { do: 'watch'; token: string; good: string; rate: number }

export interface Answer {
  perSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
  /** Microseconds per verification, of the whole process. */
  cpu: number
  /** Requests to the issuer per second. */
  requests: number
  refused: number
}
