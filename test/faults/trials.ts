import { expect } from 'chai'
import { familyStartedBy } from '../../src/families/family.ts'
import { hashOf } from '../../src/secrets/handle.ts'
import type { TestServer } from '../support/boot.ts'
import { askForResult } from '../support/ciba.ts'
import { askFor } from '../support/devices.ts'
import { web } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import {
  expectRefusal,
  introspect,
  redeem,
  refresh,
  type Tokens,
  tokensIn,
} from '../support/protocol.ts'
import type { Installation } from './installation.ts'

/** One request whose answer will be lost, and what an honest client does then. */
export interface Trial {
  send(to: TestServer): Promise<Page>
  /** Retries and asserts the result. @returns whether the lost request had been committed */
  recover(): Promise<boolean>
}

/** A refresh token with its family, as Postgres has it. */
interface Row {
  token_hash: string
  parent_hash: string | null
  is_live: boolean
  has_ended: boolean
}

export function createTrials(installation: Installation) {
  const { core, server, silentCode, allowedDevice, allowedRequest } = installation
  /** The families that may be alive. */
  const owned = new Set<string>()

  const rowsOf = (family: string): Promise<Row[]> =>
    core.database.query<Row>(
      `select token_hash, parent_hash, consumed_at is null as is_live, ended_at is not null as has_ended
       from refresh_tokens t join families f on f.tenant_id = t.tenant_id and f.id = t.family_id
       where f.id = $1`,
      [family],
    )

  /** Asserts that the family has exactly one live token, that it is this one, and that it works. */
  async function expectOneChain(family: string, tokens: Tokens): Promise<void> {
    const { refresh_token: token, access_token: access } = tokens
    const rows = await rowsOf(family)
    expect(rows.some((row) => row.has_ended)).to.equal(false, 'the family has ended')
    expect(rows.filter((row) => row.is_live).map((row) => row.token_hash)).to.deep.equal(
      [hashOf(token as string)],
      'the live tokens of the family',
    )
    const parents = rows.map((row) => row.parent_hash)
    expect(new Set(parents).size).to.equal(parents.length, 'two successors of one token')
    expect(await introspect(server, web, access)).to.include({ active: true })
    tokensIn(await refresh(server, web, tokens))
  }

  async function started(handle: string, page: Promise<Page>) {
    const family = familyStartedBy(hashOf(handle))
    owned.add(family)
    return { family, tokens: tokensIn(await page) }
  }

  async function startFamily(): Promise<{ family: string; tokens: Tokens }> {
    const code = await silentCode()
    return started(code, redeem(server, web, code))
  }

  async function connectDevice(): Promise<{ family: string; tokens: Tokens }> {
    const device = await allowedDevice()
    return started(device.device_code, askFor(server, device, web))
  }

  async function askAgain(): Promise<{ family: string; tokens: Tokens }> {
    const request = await allowedRequest()
    return started(request.auth_req_id, askForResult(server, request, web))
  }

  /** A credential that is redeemed once. @param startAgain redeems a new one of the same kind */
  function exchangeOf(
    handle: string,
    send: Trial['send'],
    startAgain: () => Promise<{ family: string; tokens: Tokens }>,
  ): Trial {
    const family = familyStartedBy(hashOf(handle))
    return {
      send,
      async recover() {
        const committed = (await rowsOf(family)).length > 0
        const page = await send(server)
        if (!committed) {
          owned.add(family)
          await expectOneChain(family, tokensIn(page))
          return false
        }
        expectRefusal(page, 400, 'invalid_grant')
        expect((await rowsOf(family)).every((row) => row.has_ended)).to.equal(true, 'an orphan')
        const next = await startAgain()
        await expectOneChain(next.family, next.tokens)
        return true
      },
    }
  }

  return {
    /** The retry gets tokens in any case: new ones, or those of the lost answer. */
    async refresh(): Promise<Trial> {
      const { family, tokens } = await startFamily()
      return {
        send: (to) => refresh(to, web, tokens),
        async recover() {
          const stored = (await rowsOf(family)).find((row) => row.is_live)?.token_hash
          const committed = stored !== hashOf(tokens.refresh_token as string)
          const again = tokensIn(await refresh(server, web, tokens))
          if (committed) expect(hashOf(again.refresh_token as string)).to.equal(stored)
          await expectOneChain(family, again)
          return committed
        },
      }
    },

    /** The retry gets tokens, or is refused if they had been issued; then a silent sign-in succeeds. */
    async codeExchange(): Promise<Trial> {
      const code = await silentCode()
      return exchangeOf(code, (to) => redeem(to, web, code), startFamily)
    },

    /** Like a code; the device then shows a new one. */
    async deviceExchange(): Promise<Trial> {
      const device = await allowedDevice()
      return exchangeOf(device.device_code, (to) => askFor(to, device, web), connectDevice)
    },

    /** Like a code; the client then asks the user again. */
    async requestExchange(): Promise<Trial> {
      const request = await allowedRequest()
      return exchangeOf(request.auth_req_id, (to) => askForResult(to, request, web), askAgain)
    },

    /** Asserts that the holder of every live family has its tokens. */
    async expectNoOrphans(): Promise<void> {
      const rows = await core.database.query<{ id: string }>(
        'select id from families where ended_at is null',
      )
      expect(rows.map(({ id }) => id).filter((id) => !owned.has(id))).to.deep.equal([])
    },
  }
}

export type Trials = ReturnType<typeof createTrials>
