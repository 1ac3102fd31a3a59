/** Settings of this app, from the environment: no secret is in the source. */
export interface Settings {
  port: number
  /** The public URL of this app. URLs are built from it, never from the Host header. */
  baseUrl: URL
  issuer: URL
  clientId: string
  clientSecret: string
  apiUrl: URL
}

/** @throws Error that names what is missing */
export function readSettings(env: Record<string, string | undefined>): Settings {
  const need = (name: string) => {
    const value = env[name]
    if (!value) throw new Error(`web-app: ${name} is not set`)
    return value
  }
  return {
    port: Number(need('PORT')),
    baseUrl: new URL(need('BASE_URL')),
    issuer: new URL(need('ISSUER')),
    clientId: need('CLIENT_ID'),
    clientSecret: need('CLIENT_SECRET'),
    apiUrl: new URL(need('API_URL')),
  }
}
