import { z } from 'zod'
import type { Capabilities } from '../oidc/capabilities.ts'
import { present } from '../present.ts'
import { defaultTenant } from '../tenants/tenant.ts'
import { readyPasswords } from './apply-accounts.ts'
import { changesOf, type Stored, undeclaredIn } from './apply-changes.ts'
import { applyDocument, checkApplyFile } from './apply-file.ts'
import { declareOwn, declareSections, declareTenants } from './apply-items.ts'
import { checkOperators } from './apply-operators.ts'
import { type ApplyResult, renderApply } from './apply-output.ts'
import { isPruned, prune, sectionsIn } from './apply-prune.ts'
import { checkReferences } from './apply-references.ts'
import { lockDeclared, refused, type Scope, type Work } from './apply-work.ts'
import { type Command, type Emit, UsageError } from './command.ts'
import { readDocument } from './document.ts'
import { omit, type StoredFew, storedFew, storedTenants } from './stored.ts'
import { assertTenant, ofTenant, tenantOption } from './tenant-option.ts'

const section = z.enum(['resource_servers', 'clients', 'accounts', 'webhooks'])

const input = z.strictObject({
  ...ofTenant,
  document: applyDocument,
  plan: z.boolean(),
  /** Also reports stored objects that are not declared; with `complete` they count as drift. */
  check: z.enum(['declared', 'complete']).optional(),
  /** Sections that are to be complete: other objects in them are deleted. */
  prune: z.array(z.strictObject({ tenant: z.string(), sections: z.array(section) })).optional(),
})

type Input = z.infer<typeof input>

/**
 * `apply`: see `ApplyResult`. Everything is one transaction, which `--plan` rolls back: so a plan is exactly what apply
 * would do. Slow work without changes comes before it: fetching sector documents and hashing passwords.
 */
export const apply: Command<Input, ApplyResult> = {
  input,
  async prepare(args, io) {
    const { tenant } = tenantOption(args)
    const { plan, check, complete, prune: prunes } = args.options
    if (complete && !check) throw new UsageError('--complete requires --check')
    if (args.options['yes'] && !prunes) throw new UsageError('--yes requires --prune')
    if (prunes && !plan && !check && !args.options['yes']) {
      throw new UsageError(
        '--prune deletes what the file does not declare: review it with --plan --prune, then add --yes',
      )
    }
    const file = await readDocument(args.operands[0] ?? '-', io, 'apply_invalid')
    const document = await checkApplyFile(file, tenant, io.env)
    return {
      tenant,
      document,
      plan: plan === true || check === true,
      ...(check ? { check: complete ? 'complete' : 'declared' } : {}),
      ...(prunes ? { prune: sectionsIn(file.content, tenant) } : {}),
    }
  },
  async execute(core, { tenant, document, plan, check, prune: pruned }, emit = nobody) {
    await assertTenant(core, tenant)
    const scopes = [{ id: tenant, ...document }, ...document.tenants]
    const documents = await core.clients.prepare(
      scopes.flatMap(({ id, clients }) =>
        clients.map((client) => ({ tenant: id, declaration: omit(client, 'disabled') })),
      ),
    )
    const work: Work = {
      core,
      documents,
      declared: [],
      secrets: [],
      faults: [],
      namings: new Map(),
      ready: new Map(),
      ...progressOf(emit),
    }
    const sumOf = (count: (scope: Scope) => number) =>
      scopes.reduce((sum, scope) => sum + count(scope), 0)
    const hasPassword = ({ password }: { password?: string | undefined }) => password !== undefined
    work.begin(
      'passwords hashed',
      sumOf(({ accounts }) => accounts.filter(hasPassword).length),
    )
    for (const { id, accounts } of scopes) await readyPasswords(work, id, accounts)
    work.begin(
      'clients and accounts',
      sumOf(({ clients, accounts }) => clients.length + accounts.length),
    )
    let result: ApplyResult | undefined
    await core.database.unit(async (unit) => {
      await unit.open()
      // Rows are looked up one by one in tables that may fill only now, so no plan with a full scan may be cached.
      // Where only a scan is possible, its artificial cost would trigger JIT compilation, which takes longer than the
      // statement.
      await core.database.query('set local enable_seqscan = off')
      await core.database.query('set local jit = off')
      // A plan made for an empty table would scan all of it for each id.
      await core.database.query('set local plan_cache_mode = force_custom_plan')
      await lockDeclared(core)
      // Only undeclared objects require reading everything.
      const isWhole = check !== undefined || pruned !== undefined
      const wanted = new Set(scopes.map(({ id }) => id))
      const before = await storedOf(core, wanted)
      const operators = await operatorsOf(core, wanted)
      await declareTenants(work, document.tenants)
      await declareOwn(work, { id: tenant, ...document })
      for (const scope of scopes) await declareSections(work, scope)
      const missing = isWhole
        ? await undeclaredIn(core, before, { scopes, whole: tenant === defaultTenant })
        : []
      const doomed = new Set(missing.filter((item) => pruned && isPruned(pruned, item)))
      const deletions = await prune(work, [...doomed])
      const after = await storedOf(core, wanted)
      for (const scope of scopes) await checkReferences(work, scope)
      checkOperators(work, operators, await operatorsOf(core, wanted))
      if (work.faults.length > 0) throw refused(work)
      result = resultOf(work, {
        plan,
        check,
        ...(check || pruned ? { undeclared: missing.filter((item) => !doomed.has(item)) } : {}),
        ...(pruned ? { deleted: deletions.length } : {}),
        changes: [...changesOf(work.declared, before, after), ...deletions],
      })
      return !plan
    })
    return result as unknown as ApplyResult
  },
  render: renderApply,
  progress: (part) => {
    const { done, total, what } = part as Progress
    return `apply: ${done} of ${total} ${what}`
  },
  failed: ({ drift }) => drift === true,
}

interface Progress {
  what: Parameters<Work['begin']>[0]
  done: number
  total: number
}

/** Milliseconds between two progress reports. */
const tellEvery = 10_000
const nobody: Emit = async () => undefined

function progressOf(emit: Emit): Pick<Work, 'begin' | 'progress'> {
  let now: Progress | undefined
  let toldAt = performance.now()
  return {
    begin(what, total) {
      now = { what, done: 0, total }
    },
    async progress(more) {
      if (now) now.done += more
      if (performance.now() - toldAt < tellEvery) return
      toldAt = performance.now()
      // Progress is not part of the result: if the caller is gone, as after a closed terminal, the apply still
      // completes.
      await emit({ ...now }).catch(() => undefined)
    },
  }
}

async function storedOf(core: Capabilities, wanted: ReadonlySet<string>): Promise<Stored> {
  const sections = new Map<string, StoredFew>()
  for (const id of wanted) sections.set(id, await storedFew(core, id))
  return { tenants: await storedTenants(core), sections }
}

async function operatorsOf({ accounts }: Capabilities, tenants: ReadonlySet<string>) {
  const found = new Map<string, string[]>()
  for (const id of tenants) {
    found.set(
      id,
      (await accounts.lists.operators(id)).map(({ email }) => email),
    )
  }
  return found
}

function resultOf(
  { secrets }: Work,
  {
    plan,
    check,
    changes,
    undeclared,
    deleted,
  }: Pick<Input, 'plan' | 'check'> & Pick<ApplyResult, 'changes' | 'undeclared' | 'deleted'>,
): ApplyResult {
  const count = (wanted: string) => changes.filter(({ outcome }) => outcome === wanted).length
  const differs = changes.some(({ outcome }) => outcome !== 'unchanged')
  return {
    plan,
    created: count('created'),
    updated: count('updated'),
    unchanged: count('unchanged'),
    ...present({ deleted }),
    changes,
    // Secrets of a plan were rolled back.
    client_secrets: plan ? [] : secrets,
    ...(undeclared ? { undeclared } : {}),
    ...(check ? { drift: differs || (check === 'complete' && (undeclared ?? []).length > 0) } : {}),
  }
}
