/** Absolute URLs of a server's endpoints. */
export interface Endpoints {
  issuer: string
  discovery: string
  authorization: string
  token: string
  introspection: string
  userinfo: string
  jwks: string
}

export interface LoadClient {
  client_id: string
  client_secret: string
  redirect_uri?: string
}

/** What the load repeats; a story is one or more requests. */
export type StoryName =
  | 'client-credentials'
  | 'refresh'
  | 'code-exchange'
  | 'introspection'
  | 'userinfo'
  | 'jwks'
  | 'discovery'
  | 'sso-authorization'
  | 'password-login'

/** A block of load, as sent to the load generator. */
export interface Plan {
  story: StoryName
  endpoints: Endpoints
  client: LoadClient
  /** Request parameters besides those that the story requires: `scope`, `resource`. */
  fields: Record<string, string>
  /** Members of a token response that must be present, and those that must be absent. */
  expects?: { present?: string[]; absent?: string[] }
  /** The member of the response to return. */
  yields?: 'access_token' | 'refresh_token' | 'code'
  /**
   * The items that the stories use: tokens, codes, cookies or users. One request at a time uses an item; afterwards it
   * is replaced by what the response yields.
   */
  stock: string[]
  loop: ClosedLoop | OpenLoop
}

/** A number of callers, each of which sends the next request as soon as it has its response. */
export interface ClosedLoop {
  kind: 'closed'
  connections: number
  milliseconds: number
  /** Ends the loop after this number of stories. */
  most?: number
  /** Whether each request opens its own connection. */
  fresh?: boolean
}

/** Requests that arrive at a steady rate, whether or not earlier ones have been answered. */
export interface OpenLoop {
  kind: 'open'
  /** Per second. */
  rate: number
  milliseconds: number
  /** The maximum number of connections; a new one is opened if a request is due and none is idle. */
  connections: number
  /** How many of them are opened before the first request is due. */
  ready?: number
  /** Milliseconds of the same load before the measurement, which do not count. */
  lead?: number
  /** How long a client waits for a response, in milliseconds; without it as long as the loop lasts. */
  patience?: number
  /** Whether each request opens its own connection. */
  fresh?: boolean
}

export interface Outcome {
  /** Correct responses only. */
  answered: number
  seconds: number
  /** Milliseconds per correct response; in an open loop from when the request was due. */
  latencies: number[]
  /** What was wrong → count. */
  faults: Record<string, number>
  /** The remaining items, for the next block. */
  stock: string[]
  yielded: string[]
  /** Microseconds of processor time that the load generator used. */
  processor: number
  /** Of an open loop: the maximum number of concurrent connections, and requests that were due when none was free. */
  connections?: { opened: number; missed: number }
  /**
   * Of an open loop: milliseconds from when a request was due until it was sent, the delay of the load generator
   * itself.
   */
  late?: { p50: number; p99: number }
}
