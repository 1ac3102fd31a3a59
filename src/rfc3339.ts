/** A moment as RFC 3339 in UTC, such as `2026-01-31T12:00:00.000Z`. @param at milliseconds since the epoch */
export function rfc3339(at: number): string
export function rfc3339(at: number | undefined): string | undefined
export function rfc3339(at: number | undefined): string | undefined {
  return at === undefined ? undefined : new Date(at).toISOString()
}
