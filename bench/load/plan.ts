/** Where a server answers what; absolute addresses. */
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

/** What is done over and over; each is one story of one or more requests. */
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

/** A block of load, as the program that makes it is told. */
export interface Plan {
  story: StoryName
  endpoints: Endpoints
  client: LoadClient
  /** Parameters of the request on top of those that the story needs: `scope`, `resource`. */
  fields: Record<string, string>
  /** Members of a token answer: which must be there, and which must not. */
  expects?: { present?: string[]; absent?: string[] }
  /** The member of the answer that is handed back. */
  yields?: 'access_token' | 'refresh_token' | 'code'
  /**
   * What the story is about, one each: a token, a code, a cookie, a person. One is with one request at a time; what the
   * answer puts in its place is used next.
   */
  stock: string[]
  loop: ClosedLoop | OpenLoop
}

/** A number of callers, each of which asks again as soon as it has its answer. */
export interface ClosedLoop {
  kind: 'closed'
  connections: number
  milliseconds: number
  /** Ends earlier after so many. */
  most?: number
  /** Whether each request comes on a connection of its own. */
  fresh?: boolean
}

/** Requests that arrive at a steady rate, whether or not earlier ones have been answered. */
export interface OpenLoop {
  kind: 'open'
  /** Per second. */
  rate: number
  milliseconds: number
  /** The most that there may be; each is opened when a request is due and none is idle. */
  connections: number
  /** How many of them are open before the first request is due. */
  ready?: number
  /** Milliseconds of the same load before, of which nothing is counted. */
  lead?: number
  /** How long anybody waits for an answer, in milliseconds; as long as the loop lasts when absent. */
  patience?: number
  /** Whether each request comes on a connection of its own. */
  fresh?: boolean
}

export interface Outcome {
  /** Right answers alone. */
  answered: number
  seconds: number
  /** Milliseconds of the right answers; in an open loop since the request was due. */
  latencies: number[]
  /** What was wrong → how often. */
  faults: Record<string, number>
  /** What is left, to go on with. */
  stock: string[]
  yielded: string[]
  /** Microseconds of processor time that the load itself took. */
  processor: number
  /** Of an open loop: connections that there were at once, and requests that were due and found no more of them. */
  connections?: { opened: number; missed: number }
  /** Of an open loop: milliseconds between a request being due and being sent, in which the load itself was late. */
  late?: { p50: number; p99: number }
}
