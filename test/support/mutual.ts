import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CustomFetch } from 'openid-client'
import { boot, type StorageKind, type TestServer } from './boot.ts'
import {
  type Authority,
  createAuthority,
  type Identity,
  serverFiles,
  trust,
} from './certificates.ts'
import { temporaryFolder } from './child.ts'
import { freePort } from './free-port.ts'
import { exchange } from './http-exchange.ts'

/** A TLS server with `MTLS_PORT`. */
export interface MutualServer extends TestServer {
  /** The CA of client certificates. */
  authority: Authority
  /** The same server, called with this client certificate. */
  showing(identity: Identity | undefined): TestServer
}

export async function bootMutual(
  kind: StorageKind,
  settings: Record<string, string> = {},
): Promise<MutualServer> {
  const authority = await createAuthority()
  trust(authority)
  const { certFile, keyFile } = await serverFiles(authority)
  const caFile = join(await temporaryFolder('ca'), 'ca.pem')
  await writeFile(caFile, authority.cert)
  const server = await boot(kind, {
    TLS_CERT_FILE: certFile,
    TLS_KEY_FILE: keyFile,
    MTLS_PORT: String(await freePort()),
    MTLS_CA_FILE: caFile,
    ...settings,
  })
  const { mtlsOrigin = '' } = server.core.config
  return {
    ...server,
    authority,
    showing: (identity) => ({ ...server, issuer: mtlsOrigin, identity }),
  }
}

/** `fetch` as openid-client needs it, by somebody who shows a certificate where it is asked for. */
export function fetchShowing(identity: Identity): CustomFetch {
  return async (url, { method, headers, body }) => {
    const form = body instanceof URLSearchParams ? { body: body.toString() } : {}
    const page = await exchange({ method, url: new URL(url), headers, identity, ...form })
    return new Response(page.body, { status: page.status, headers: page.headers })
  }
}
