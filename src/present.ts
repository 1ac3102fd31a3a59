/** An object whose undefined or null members may be absent instead. */
type Present<Members> = {
  [Name in keyof Members as Members[Name] extends Something ? Name : never]: Members[Name]
} & {
  [Name in keyof Members as Members[Name] extends Something ? never : Name]?: NonNullable<
    Members[Name]
  >
}
type Something = object | string | number | bigint | boolean | symbol

/** Removes members that are undefined, or null as in a row. */
export function present<Members extends object>(members: Members): Present<Members> {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined && value !== null),
  ) as Present<Members>
}
