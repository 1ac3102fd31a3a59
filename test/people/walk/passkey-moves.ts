import { at, type Fields, open, showPasskeyOn, type Turn } from './turn.ts'
import { homeOf } from './world.ts'

/** Moves with passkeys, with their weights. */
export const passkeyMoves: Record<
  string,
  [weight: number, move: (turn: Turn) => Promise<unknown>]
> = {
  'sign in by a passkey': [
    7,
    async (turn) => {
      await open(turn, `${homeOf(turn.person)}/account`)
      await showPasskeyOn(turn, /\/passkey$/, turn.kind)
    },
  ],
  'add a passkey': [
    6,
    async (turn) => {
      await at({ ...turn, kind: 'right', second: 'right' }, '/factors/passkey')
      const others: Fields = turn.any % 4 === 0 ? { end_others: 'yes' } : {}
      await showPasskeyOn(turn, /\/factors\/passkey$/, turn.second, { name: 'Walker', ...others })
    },
  ],
  'show a passkey': [4, (turn) => showPasskeyOn(turn, /\/(factor|passkey|set-up)$/, turn.second)],
}
