import { loadConfig } from '../../config/load.ts'
import { cibaGrant, deviceCodeGrant } from '../../src/clients/client.ts'
import { type Core, openCore } from '../../src/core.ts'
import { createLog } from '../../src/log.ts'
import { freshStorage, type TestServer } from '../support/boot.ts'
import { type Acknowledgement, answerRequest, startRequest } from '../support/ciba.ts'
import { allowDevice, type DeviceAuthorization, startDevice } from '../support/devices.ts'
import { alice, furnish, web } from '../support/fixtures.ts'
import { freePort } from '../support/free-port.ts'
import { authorizeUrl } from '../support/protocol.ts'
import { startHere } from '../support/two-nodes.ts'
import { createUserAgent } from '../support/user-agent.ts'

/** An undisturbed node, storage that further nodes may share, and a browser that is signed in there. */
export interface Installation {
  /** The settings of a further node. */
  readonly env: Readonly<Record<string, string>>
  /** The same storage, opened in this process. */
  readonly core: Core
  /** The node, which is also the issuer. */
  readonly server: TestServer
  /** A new code by single sign-on with `prompt=none`. */
  silentCode(): Promise<string>
  /** A new device code that the user has allowed. */
  allowedDevice(): Promise<DeviceAuthorization>
  /** A new backchannel request that the user has allowed. */
  allowedRequest(): Promise<Acknowledgement>
  stop(): Promise<void>
}

const fields = { scope: 'openid offline_access' }

/** A node as the argument of the functions in protocol.ts. */
export function nodeAt(url: string): TestServer {
  return { issuer: url } as TestServer
}

export async function startInstallation(): Promise<Installation> {
  const port = String(await freePort())
  const issuer = `http://localhost:${port}`
  // Every request gets its own family, and none may be ended to make room.
  const env = { ...(await freshStorage('services')), ISSUER: issuer, MAX_FAMILIES: '10000' }
  const log = createLog({ level: 'silent' })
  const core = await openCore(loadConfig(env), log, { schema: 'migrate' })
  try {
    await furnish({ core })
    const grant_types = [...web.grant_types, deviceCodeGrant, cibaGrant]
    const backchannel = { backchannel_token_delivery_mode: 'poll' }
    await core.clients.declare('default', { ...web, ...backchannel, grant_types })
    const node = await startHere({ ...env, PORT: port })
    const server = nodeAt(issuer)
    const agent = createUserAgent()
    await agent.walk(authorizeUrl(server, web, fields), {
      username: alice.email,
      password: alice.password,
    })
    return {
      env,
      core,
      server,
      async silentCode() {
        const page = await agent.get(authorizeUrl(server, web, { ...fields, prompt: 'none' }))
        const code = page.location?.searchParams.get('code')
        if (!code) throw new Error(`no code without a prompt: ${page.location?.href ?? page.body}`)
        return code
      },
      async allowedDevice() {
        const device = await startDevice(server, fields, web)
        await allowDevice(server, device, agent)
        return device
      },
      async allowedRequest() {
        const request = await startRequest(server, fields, web)
        await answerRequest(server, '#allow', agent)
        return request
      },
      async stop() {
        await node.stop()
        await core.close()
      },
    }
  } catch (error) {
    await core.close()
    throw error
  }
}
