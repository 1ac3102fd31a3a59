import { z } from 'zod'
import { DomainError } from '../errors.ts'
import { mostParameters } from '../http/parameters.ts'
import type { Capabilities } from '../oidc/capabilities.ts'
import { dryRun } from '../oidc/dry-run.ts'
import type { LeftOutScope } from '../oidc/left-out-scopes.ts'
import { present } from '../present.ts'
import {
  explanationOf,
  type Finding,
  findingOf,
  type RefusalExplanation,
} from '../refusals/explanation.ts'
import { printable } from '../refusals/mask.ts'
import { familyNamedIn } from '../refusals/named-family.ts'
import { columns } from './columns.ts'
import { type Command, optionalText, UsageError } from './command.ts'
import { ownerOf } from './families-show.ts'
import { type FamilyOutput, familyOutput, sentenceOn } from './family-output.ts'
import { whereItIs } from './named-client.ts'

const input = z.union([
  z.strictObject({ id: z.uuid() }),
  z.strictObject({ authorize: z.url({ protocol: /^https?$/ }) }),
  z.strictObject({}),
])

/** The faults of a hypothetical authorization request. */
interface Rehearsed {
  tenant: string
  client_id?: string
  faults: Finding[]
  left_out: LeftOutScope[]
  hints: string[]
  complete: boolean
}

/** The latest refusals, newest first. */
interface Latest {
  refusals: RefusalExplanation[]
}

/** Number of refusals without an id. */
const latest = 10

/** A refusal as printed, with the account's address, and the state of a refresh token's family. */
export interface Explanation extends RefusalExplanation {
  account?: string
  /** Where a client with the unknown id exists now. */
  client_now?: string
  family?: FamilyOutput
  /** Whether the family is only claimed by an unverified token. */
  family_claimed?: true
}

/**
 * `explain <id>`: `{ id, tenant, at, endpoint, error, check, rule, source, mend, reason?, expected?, received?, … }`.
 * `explain --authorize <url>`: `{ tenant, client_id?, faults: [{ check, rule, … }], left_out: [{ scope, of }], hints, complete }`.
 * `explain`: `{ refusals: [{ id, … }] }`, the latest.
 */
export const explain: Command<z.infer<typeof input>, Explanation | Rehearsed | Latest> = {
  input,
  prepare(args) {
    const { operands } = args
    const authorize = optionalText(args, 'authorize')
    if (authorize === undefined && operands[0] === undefined) return {}
    if (authorize !== undefined && operands[0] !== undefined)
      throw new UsageError('expected either the id of a refused request, or --authorize <url>')
    const given = input.safeParse(
      authorize === undefined ? { id: operands[0]?.toLowerCase() } : { authorize },
    )
    if (given.success) return given.data
    throw new UsageError(
      authorize === undefined
        ? `expected the id of a refused request, such as 5f2c1b0a-93d4-4b7e-8a11-0c9d2e4f6a37; got ${JSON.stringify(operands[0])}`
        : `expected an authorization request, https://…/authorize?client_id=…; got ${JSON.stringify(authorize)}`,
    )
  },
  async execute(core, wanted) {
    if ('id' in wanted) return explainRefusal(core, wanted.id)
    if ('authorize' in wanted) return rehearse(core, wanted.authorize)
    return { refusals: (await core.refusals.list({}, { limit: latest })).map(explanationOf) }
  },
  render(result) {
    if ('refusals' in result) return renderLatest(result)
    return 'faults' in result ? renderFaults(result) : renderRefusal(result)
  },
  failed: (result) => 'faults' in result && result.faults.length > 0,
}

async function explainRefusal(core: Capabilities, id: string): Promise<Explanation> {
  const { refusals, accounts, families, clock } = core
  const refusal = await refusals.find(id)
  if (!refusal) {
    throw new DomainError('not_found', {
      detail: `No refusal is stored under ${id}. Refusals are stored for seven days; in a flood, only some of each kind. The log has every refusal, by request_id, except those for overload, which it counts in a line every ten seconds.`,
    })
  }
  const { accountId, tenant } = refusal
  const account = accountId && (await accounts.active(tenant, accountId))
  const clientNow = await whereItIs(core, refusal)
  const named = familyNamedIn(refusal)
  const [family] = named === undefined ? [] : await families.list(tenant, { id: named.id })
  return {
    ...explanationOf(refusal),
    ...(accountId === undefined ? {} : { account: account ? account.email : accountId }),
    ...present({ client_now: clientNow }),
    ...(family && {
      family: familyOutput(family, await ownerOf(core, family), clock.now()),
      ...(named?.isCertain ? {} : { family_claimed: true }),
    }),
  }
}

async function rehearse(core: Capabilities, url: string): Promise<Rehearsed> {
  const { tenant, clientId, faults, leftOut, hints, complete } = await dryRun(
    core,
    new URL(url),
    mostParameters,
  )
  return {
    tenant,
    ...(clientId === undefined ? {} : { client_id: printable(clientId) }),
    faults: faults.map(findingOf),
    left_out: leftOut.map(({ scope, of }) => ({ scope: printable(scope), of })),
    hints,
    complete,
  }
}

function renderRefusal(explanation: Explanation): string {
  return [
    explanation.rule,
    '',
    ...findingRows(explanation),
    '',
    ...rows([
      ['endpoint', `${explanation.endpoint}, tenant ${explanation.tenant}`],
      ['answered', explanation.error],
      ['client', explanation.client_id ?? explanation.client_now],
      ['account', explanation.account],
      ['family', familySentence(explanation)],
      ['from', explanation.ip],
      ['at', explanation.at],
    ]),
  ].join('\n')
}

function familySentence({ family, family_claimed: isClaimed }: Explanation): string | undefined {
  return family && `${isClaimed ? 'If the token is genuine: ' : ''}${sentenceOn(family)}`
}

function renderLatest({ refusals }: Latest): string {
  if (refusals.length === 0) return 'Nothing was refused in the last seven days.'
  return columns(
    refusals.map(({ at, id, endpoint, client_id: client, check, reason }) => {
      return [at, id, endpoint, client ?? '-', check, reason ?? '']
    }),
  )
}

function renderFaults({ faults, complete, tenant, client_id: client, ...rest }: Rehearsed): string {
  const who = `${client ?? 'no client'} in tenant ${tenant}`
  const leftOut = rest.left_out.map(({ scope, of }) =>
    of.length === 0
      ? `The scope ${scope} is left out: no resource server has it.`
      : `The scope ${scope} is left out: send resource=${of.join(' or ')} for it.`,
  )
  const besides = [...leftOut, ...rest.hints]
  if (faults.length === 0) {
    return [`Nothing is wrong with this request of ${who}.`, ...besides].join('\n')
  }
  const count = faults.length === 1 ? '1 fault' : `${faults.length} faults`
  return [
    `${count} in this request of ${who}.`,
    ...faults.flatMap((fault, index) => ['', `${index + 1}. ${fault.rule}`, ...findingRows(fault)]),
    ...(besides.length > 0 ? ['', ...besides] : []),
    ...(complete ? [] : ['', 'Later checks were not reached.']),
  ].join('\n')
}

function findingRows(finding: Finding): string[] {
  return rows([
    ['check', finding.check],
    ['reason', finding.reason],
    ['expected', finding.expected],
    ['received', finding.received],
    ['source', finding.source],
    ['to fix', finding.mend],
  ])
}

function rows(pairs: Array<[string, string | undefined]>): string[] {
  return pairs
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name.padEnd(10)}${value}`)
}
