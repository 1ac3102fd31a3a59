/** What the benchmark and its API say to each other. */
export interface Settings {
  issuer: string
  /** The node that the API asks. */
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
  /** Microseconds for each verification, of all that the process did. */
  cpu: number
  /** To the issuer, each second. */
  requests: number
  refused: number
}
