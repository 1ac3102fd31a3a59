import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { type ClientMetadata, clientDeclaration } from '../clients/client.ts'
import { DomainError } from '../errors.ts'
import { faultsOf } from '../faults.ts'
import { present } from '../present.ts'
import { assertNamesKnown } from '../resources/known-names.ts'
import { type Arguments, type Command, type Io, optionalText, UsageError } from './command.ts'
import { invalid, readDocument } from './document.ts'
import { resolveSecret } from './secret-reference.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const input = z.strictObject({ ...ofTenant, client: clientDeclaration })

/** The answer of RFC 7591 §3.2.1; the secret only when one was made now. */
type Output = ClientMetadata & { client_secret?: string }

/** `clients create`: the members of the client, and `client_secret` when one was made. */
export const clientsCreate: Command<z.infer<typeof input>, Output> = {
  input,
  async prepare(args, io) {
    const [file] = args.operands
    const flags = fromFlags(args)
    if (file !== undefined && Object.keys(flags).length > 0) {
      throw new UsageError('give either a file or options, not both')
    }
    if (file === undefined && Object.keys(flags).length === 0) {
      throw new UsageError('give a file (- for standard input), or options such as --redirect-uri')
    }
    const client = file === undefined ? checked(flags, 'options') : await fromFile(file, io)
    return { ...tenantOption(args), client }
  },
  async execute(core, { tenant, client }) {
    await assertTenant(core, tenant)
    const documents = await core.clients.prepare([{ tenant, declaration: client }])
    return core.database.transaction(async () => {
      if (await core.clients.views.view(tenant, client.client_id, core.clock.now())) {
        throw new DomainError('client_invalid', {
          detail: `There is already a client ${client.client_id}; "apply" changes it.`,
        })
      }
      await assertNamesKnown(core, tenant, client)
      const { clientSecret } = await core.clients.declare(tenant, client, documents)
      const { client_secret: _given, ...metadata } = client
      return { ...metadata, ...present({ client_secret: clientSecret }) }
    })
  },
  render: ({ client_id, client_secret }) =>
    [
      `Created client ${client_id}.`,
      ...(client_secret === undefined
        ? []
        : [`Client secret: ${client_secret}`, 'It is shown once and not stored.']),
    ].join('\n'),
}

function fromFlags(args: Arguments): Record<string, unknown> {
  const { options } = args
  return present({
    client_id: optionalText(args, 'id'),
    client_name: optionalText(args, 'name'),
    scope: optionalText(args, 'scope'),
    redirect_uris: options['redirectUri'],
    post_logout_redirect_uris: options['postLogoutRedirectUri'],
    backchannel_logout_uri: optionalText(args, 'backchannelLogoutUri'),
    grant_types: options['grant'],
    token_endpoint_auth_method: options['public'] ? 'none' : undefined,
  })
}

async function fromFile(file: string, io: Io): Promise<z.infer<typeof clientDeclaration>> {
  const { content, name, folder } = await readDocument(file, io, 'client_invalid')
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw invalid('client_invalid', name, faultsOf(clientDeclaration, content))
  }
  const members = { ...content }
  const faults = await resolveSecret(members, 'client_secret', [], { env: io.env, folder })
  if (faults.length > 0) throw invalid('client_invalid', name, faults)
  return checked(members, name)
}

function checked(members: object, name: string): z.infer<typeof clientDeclaration> {
  const client = { client_id: randomUUID(), ...members }
  const faults = faultsOf(clientDeclaration, client)
  if (faults.length > 0) throw invalid('client_invalid', name, faults)
  return clientDeclaration.parse(client)
}
