import { z } from 'zod'
import type { MessageState, MessageView } from '../outbox/message.ts'
import { present } from '../present.ts'
import { rfc3339 } from '../rfc3339.ts'
import { type Arguments, optionalText } from './command.ts'

/** The filter of a list by state. */
export const ofState = { state: z.enum(['waiting', 'delivered', 'failed']).optional() }

export const stateOption = (args: Arguments) =>
  present({ state: optionalText(args, 'state') as MessageState | undefined })

/** The delivery state of a message as commands print it; times as RFC 3339. */
export interface MessageOutput {
  state: MessageState
  attempts: number
  created_at: string
  next_at?: string
  delivered_at?: string
  failed_at?: string
  last_error?: string
}

export function messageOutput(view: Omit<MessageView, 'payload'>): MessageOutput {
  const { nextAt, deliveredAt, failedAt, lastError } = view
  return present({
    state: view.state,
    attempts: view.attempts,
    created_at: rfc3339(view.createdAt),
    next_at: rfc3339(nextAt),
    delivered_at: rfc3339(deliveredAt),
    failed_at: rfc3339(failedAt),
    last_error: lastError,
  })
}

/** Its last columns in a table for people. */
export const messageCells = ({ state, attempts, last_error: error = '' }: MessageOutput) => [
  state,
  `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`,
  error,
]
