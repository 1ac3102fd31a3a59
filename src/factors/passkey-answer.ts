import { z } from 'zod'

/** Most bytes of a credential id (WebAuthn §7.1). */
const longestCredentialId = 1023

/** base64url of at most `most` bytes. */
const bytes = (most: number) =>
  z
    .string()
    .max(Math.ceil((most * 4) / 3))
    .regex(/^[\w-]+$/)

const credentialId = bytes(longestCredentialId)

/** The checked members of a browser's answer (WebAuthn §5.1, `toJSON`). */
const credential = <Response extends z.ZodType>(response: Response) =>
  z
    .object({
      id: credentialId,
      rawId: credentialId,
      type: z.literal('public-key'),
      response,
      authenticatorAttachment: z.enum(['platform', 'cross-platform']).optional(),
    })
    .transform((answer) => ({ ...answer, clientExtensionResults: {} }))

const registration = credential(
  z.object({
    clientDataJSON: bytes(4096),
    attestationObject: bytes(16_384),
    transports: z
      .array(z.string().max(32))
      .max(10)
      .default([])
      .transform((all) => all.filter((one) => /^[a-z-]+$/.test(one))),
  }),
)

const assertion = credential(
  z.object({
    clientDataJSON: bytes(4096),
    authenticatorData: bytes(4096),
    signature: bytes(2048),
    userHandle: bytes(64).optional(),
  }),
)

export type Registration = z.output<typeof registration>
export type Assertion = z.output<typeof assertion>

/** Why an answer is refused, for the log; people only learn that it was. */
export class Refused extends Error {}

/** @throws Refused */
function parsed(read: () => unknown): unknown {
  try {
    return read()
  } catch {
    throw new Refused('expected JSON')
  }
}

const read =
  <Schema extends z.ZodType>(schema: Schema) =>
  (text: string): z.output<Schema> => {
    const result = schema.safeParse(parsed(() => JSON.parse(text)))
    if (result.success) return result.data
    const [issue] = result.error.issues
    throw new Refused(`expected a credential: ${issue?.path.join('.')}: ${issue?.message}`)
  }

/** @throws Refused */
export const readRegistration = read(registration)
/** @throws Refused */
export const readAssertion = read(assertion)

const textOf = (encoded: string) => Buffer.from(encoded, 'base64url').toString()

/** Excludes what a frame of another site would send. */
const clientData = z.object({
  type: z.string(),
  challenge: z.string(),
  crossOrigin: z.literal(false).optional(),
  topOrigin: z.undefined().optional(),
})

/**
 * The challenge in an answer, which must come from our own page and not from a frame of another site; the library would
 * accept that (WebAuthn §7.1, §7.2, §13.4.9).
 * @throws Refused
 */
export function challengeIn(
  { response }: Registration | Assertion,
  type: 'webauthn.create' | 'webauthn.get',
): string {
  const said = clientData.safeParse(parsed(() => JSON.parse(textOf(response.clientDataJSON))))
  if (!said.success)
    throw new Refused('expected clientDataJSON of a top-level page, not of a frame')
  if (said.data.type !== type) throw new Refused(`expected ${type}, got ${said.data.type}`)
  return said.data.challenge
}

/**
 * Refuses all attestation but what browsers leave when none is requested: `none`, or the key's own signature. For
 * certificates the library would fetch revocation lists from URLs that the caller chose (security class C11).
 * @throws Refused
 */
export async function requirePlainAttestation({ response }: Registration): Promise<void> {
  const { decodeAttestationObject, isoBase64URL } = await import('@simplewebauthn/server/helpers')
  let format: string
  let isCertified: boolean
  try {
    const decoded = decodeAttestationObject(isoBase64URL.toBuffer(response.attestationObject))
    format = decoded.get('fmt')
    isCertified = decoded.get('attStmt').get('x5c') !== undefined
  } catch {
    throw new Refused('expected an attestation object')
  }
  if (format === 'none' || (format === 'packed' && !isCertified)) return
  throw new Refused(`expected no attestation, got ${format}`)
}
