import { invalidRequest } from '../http/checked.ts'
import { equalInConstantTime } from '../secrets/handle.ts'
import type { Sealer } from '../secrets/seal.ts'

type Place = ReadonlyArray<string | number>

/**
 * A cursor: the sort values where the next page of a list begins. It is authenticated, so callers can only send it
 * back, and valid only for the list that it came from (security class C28).
 * @param list identifies the list: its path, with the tenant
 */
export function cursorOf(sealer: Sealer, list: string, place: Place): string {
  const text = JSON.stringify(place)
  return `${Buffer.from(text).toString('base64url')}.${sealer.mac('admin-cursor', `${list} ${text}`)}`
}

/** @throws DomainError `request_invalid` */
export function placeIn(sealer: Sealer, list: string, cursor: string | undefined) {
  if (cursor === undefined) return undefined
  const [encoded = '', mac = ''] = cursor.split('.')
  const text = Buffer.from(encoded, 'base64url').toString('utf8')
  if (!equalInConstantTime(mac, sealer.mac('admin-cursor', `${list} ${text}`))) {
    throw invalidRequest('cursor: expected next_cursor of a previous page of this list')
  }
  return JSON.parse(text) as Place
}
