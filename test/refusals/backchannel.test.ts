import { expect } from 'chai'
import { type Explanation, explain } from '../../src/cli/explain.ts'
import type { CheckName } from '../../src/refusals/checks.ts'
import { anyStorage } from '../support/any-storage.ts'
import { booted } from '../support/boot.ts'
import { askForResult, askPerson, bank, startRequest } from '../support/ciba.ts'
import { furnish } from '../support/fixtures.ts'
import type { Page } from '../support/http-exchange.ts'
import type { Fields } from '../support/protocol.ts'

describe('explain, of backchannel requests (CIBA §7.1, §11)', () => {
  const server = booted(anyStorage, {}, furnish)
  const broker = { ...bank, client_id: 'broker' }

  before(async () => {
    for (const client of [bank, broker]) await server.core.clients.declare('default', client)
  })

  const why = async (page: Page) => {
    const id = page.headers.get('request-id') as string
    return (await explain.execute(server.core, { id })) as Explanation
  }

  it('names the check of the hints, or of the one ID token that is wrong', async () => {
    const cases: [fields: Fields, check: CheckName][] = [
      [{ login_hint: undefined }, 'ciba_hint'],
      [{ id_token_hint: 'x' }, 'ciba_hint'],
      [{ login_hint: undefined, login_hint_token: 'x' }, 'ciba_hint'],
      [{ login_hint: 'nobody@example.com' }, 'ciba_hint'],
      [{ login_hint: undefined, id_token_hint: 'x.y.z' }, 'id_token_hint_valid'],
      [{ binding_message: 'two\nlines' }, 'ciba_request'],
    ]
    for (const [fields, check] of cases) {
      const page = await askPerson(server, fields)
      expect(await why(page), page.body).to.include({ check })
    }
  })

  it('says that a request is of another client', async () => {
    const refused = await askForResult(server, await startRequest(server), broker)
    expect(await why(refused)).to.include({
      check: 'code_known',
      reason: 'the backchannel request belongs to another client',
    })
  })
})
