/** Settings of this API. They come from the environment, so that no secret stands in the program. */
export interface Settings {
  port: number
  /** The authorization server whose tokens count, to the letter. */
  issuer: string
  /** This API as an audience: its `identifier` there. Not its address. */
  audience: string
  /** Who this API is when it introspects. */
  clientId: string
  clientSecret: string
  /** Origins whose pages may call from a browser (CORS), to the letter. */
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
