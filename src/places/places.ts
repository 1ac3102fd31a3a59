import { networkOf } from '../attempts/network.ts'
import type { Platform } from '../platform.ts'
import { present } from '../present.ts'
import { sweepTable } from '../storage/sweep.ts'
import { column, table } from '../storage/table.ts'
import type { Countries } from './countries.ts'

/**
 * The networks and countries, never addresses, from which an account signs in, so that unusual sign-ins can be
 * recognised. This decides nothing: sign-ins from anywhere succeed.
 */
export interface Places {
  /**
   * Records the place of a sign-in, in its transaction. Of two concurrent ones from a new network, one reports it as
   * new.
   */
  visit(tenant: string, accountId: string, ip: string): Promise<Visit>
  /** The known places of an account, the latest first. */
  list(tenant: string, accountId: string): Promise<KnownPlace[]>
  /** Deletes the known places of accounts. */
  forget(tenant: string, accountIds: string[]): Promise<void>
  /** Deletes places that were not used for long, in batches. @returns their number */
  sweep(): Promise<number>
}

/** A place is new only to an account with other known places of its kind: a first sign-in is not reported. */
export interface Visit {
  isNewNetwork: boolean
  /** ISO 3166-1, where it is known. */
  country?: string
  isNewCountry: boolean
}

const kinds = ['country', 'network'] as const
type PlaceKind = (typeof kinds)[number]

/** Times in milliseconds since the epoch. */
export interface KnownPlace {
  kind: PlaceKind
  /** A prefix, as `198.51.100.0/24`, or a country (ISO 3166-1, two letters). */
  place: string
  visits: number
  firstAt: number
  lastAt: number
}

export const AccountPlacesTable = table('account_places', {
  key: ['tenant_id', 'account_id', 'kind', 'place'],
  columns: {
    tenant_id: column.text,
    account_id: column.text,
    kind: column.text,
    place: column.text,
    visits: column.count,
    first_at: column.time,
    last_at: column.time,
  },
  references: { account: ['accounts', ['tenant_id', 'account_id'], ['tenant_id', 'id']] },
  index: { kept: ['last_at'] },
})

/** The most known places of an account; a further one replaces the one that was unused for longest. */
const most: Record<PlaceKind, number> = { country: 20, network: 50 }

/** As long as the audit events that they explain. */
const keptDays = 400

export function createPlaces({
  database,
  clock,
  countries,
}: Pick<Platform, 'database' | 'clock'> & {
  countries: Pick<Countries, 'of'>
}): Places {
  async function keepMost(tenant: string, accountId: string, kind: PlaceKind): Promise<void> {
    await database.execute(
      `delete from account_places where (tenant_id, account_id, kind, place) in (
         select tenant_id, account_id, kind, place from account_places
         where tenant_id = $1 and account_id = $2 and kind = $3
         order by last_at desc, place offset $4 for update skip locked)`,
      [tenant, accountId, kind, most[kind]],
    )
  }

  return {
    async visit(tenant, accountId, ip) {
      const country = countries.of(ip)
      const seen: Array<[PlaceKind, string]> = [
        ['network', networkOf(ip)],
        ...(country === undefined ? [] : [['country', country] satisfies [PlaceKind, string]]),
      ]
      // A concurrent deletion of the account waits; if it was first, nothing is stored. `others` are from before this
      // statement.
      const rows = await database.query<{ kind: PlaceKind; is_first: boolean; others: boolean }>(
        `with owner as (
           select tenant_id, id from accounts where tenant_id = $1 and id = $2 and deleted_at is null for share)
         insert into account_places as p (tenant_id, account_id, kind, place, visits, first_at, last_at)
         select owner.tenant_id, owner.id, seen.kind, seen.place, 1, $5, $5
         from owner, unnest($3::text[], $4::text[]) as seen (kind, place) order by seen.kind
         on conflict (tenant_id, account_id, kind, place) do update set
           visits = p.visits + 1, last_at = greatest(p.last_at, excluded.last_at)
         returning p.kind, p.visits = 1 as is_first, exists (
           select 1 from account_places o
           where o.tenant_id = p.tenant_id and o.account_id = p.account_id and o.kind = p.kind
             and o.place <> p.place) as others`,
        [
          tenant,
          accountId,
          seen.map(([kind]) => kind),
          seen.map(([, place]) => place),
          new Date(clock.now()),
        ],
      )
      for (const { kind, is_first } of rows) {
        if (is_first) await keepMost(tenant, accountId, kind)
      }
      const isNew = (wanted: PlaceKind) =>
        rows.some(({ kind, is_first, others }) => kind === wanted && is_first && others)
      return {
        isNewNetwork: isNew('network'),
        ...present({ country }),
        isNewCountry: isNew('country'),
      }
    },
    async list(tenant, accountId) {
      const rows = await database.query<{
        kind: PlaceKind
        place: string
        visits: number
        first_at: Date
        last_at: Date
      }>(
        `select kind, place, visits, first_at, last_at from account_places
         where tenant_id = $1 and account_id = $2 order by last_at desc, kind, place`,
        [tenant, accountId],
      )
      return rows.map(({ kind, place, visits, first_at, last_at }) => ({
        kind,
        place,
        visits,
        firstAt: first_at.getTime(),
        lastAt: last_at.getTime(),
      }))
    },
    async forget(tenant, accountIds) {
      await database.execute(
        'delete from account_places where tenant_id = $1 and account_id = any($2)',
        [tenant, accountIds],
      )
    },
    sweep: () =>
      sweepTable(
        database,
        AccountPlacesTable,
        'last_at < $1',
        clock.now() - keptDays * 24 * 3600 * 1000,
      ),
  }
}
