/** Settings of this API, from the environment: no secret is in the source. */
export interface Settings {
  port: number
  /** The issuer identifier of the authorization server, exactly as in `iss`. */
  issuer: string
  /** The audience: this API's `identifier` at the issuer, not its URL. */
  audience: string
  /** The client that this API is for introspection. */
  clientId: string
  clientSecret: string
  /** Origins whose pages may call (CORS), exactly as browsers send them. */
  allowedOrigins: string[]
}

/** @throws Error that names what is missing */
export function readSettings(env: Record<string, string | undefined>): Settings {
  const need = (name: string) => {
    const value = env[name]
    if (!value) throw new Error(`api: ${name} is not set`)
    return value
  }
  return {
    port: Number(need('PORT')),
    issuer: need('ISSUER'),
    audience: need('AUDIENCE'),
    clientId: need('CLIENT_ID'),
    clientSecret: need('CLIENT_SECRET'),
    allowedOrigins: (env['ALLOWED_ORIGINS'] ?? '').split(' ').filter(Boolean),
  }
}
