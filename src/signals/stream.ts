import { z } from 'zod'
import { receiverUrl } from '../outgoing/receiver-url.ts'
import { present } from '../present.ts'
import { supportedEvents } from './signal.ts'

/** Delivery methods (SSF 1.0 §6.1). */
export const push = 'urn:ietf:rfc:8935'
export const poll = 'urn:ietf:rfc:8936'

export const statuses = ['enabled', 'paused', 'disabled'] as const
export type StreamStatus = (typeof statuses)[number]

/** An event stream of a receiver (SSF 1.0 §8.1.1). */
export interface SignalStream {
  id: string
  clientId: string
  delivery: { method: 'poll' } | { method: 'push'; endpointUrl: string; authorization?: string }
  eventsRequested: string[]
  description?: string
  status: StreamStatus
  reason?: string
}

const delivery = z.discriminatedUnion('method', [
  z.object({
    method: z.literal(push),
    endpoint_url: receiverUrl,
    authorization_header: z
      .string()
      .max(4000)
      .regex(/^[\x20-\x7E]+$/, { error: 'must be one line of printable ASCII' })
      .optional(),
  }),
  // The poll URL is assigned by us.
  z.object({ method: z.literal(poll), endpoint_url: z.string().optional() }),
])

/** A receiver's declaration; unknown members are ignored. */
export const streamDeclaration = z.object({
  delivery: delivery.default({ method: poll }),
  events_requested: z
    .array(z.string().max(200))
    .max(100)
    .default([...supportedEvents]),
  description: z.string().max(500).optional(),
})

export type StreamDeclaration = z.infer<typeof streamDeclaration>

/** Least seconds between two verifications. */
export const minVerificationInterval = 5

export const delivered = ({ eventsRequested }: Pick<SignalStream, 'eventsRequested'>) =>
  supportedEvents.filter((event) => eventsRequested.includes(event))

/** A stream made from a declaration. @param stream the members that the receiver cannot set */
export function declaredAs(
  { id, clientId, status, reason }: Omit<SignalStream, 'delivery' | 'eventsRequested'>,
  { delivery: wanted, events_requested: eventsRequested, description }: StreamDeclaration,
): SignalStream {
  return {
    id,
    clientId,
    status,
    eventsRequested,
    ...present({ reason, description }),
    delivery:
      wanted.method === push
        ? {
            method: 'push',
            endpointUrl: wanted.endpoint_url,
            ...present({ authorization: wanted.authorization_header }),
          }
        : { method: 'poll' },
  }
}

/** The declaration of a stream. */
export const declarationOf = ({
  delivery: chosen,
  eventsRequested,
  description,
}: SignalStream) => ({
  events_requested: eventsRequested,
  description,
  delivery:
    chosen.method === 'push'
      ? {
          method: push,
          endpoint_url: chosen.endpointUrl,
          authorization_header: chosen.authorization,
        }
      : { method: poll },
})
