/** An object whose members that may be undefined or null may be absent instead. */
type Present<Members> = {
  [Name in keyof Members as Members[Name] extends Something ? Name : never]: Members[Name]
} & {
  [Name in keyof Members as Members[Name] extends Something ? never : Name]?: NonNullable<
    Members[Name]
  >
}
type Something = object | string | number | bigint | boolean | symbol

/** The members that are neither undefined nor, as in a row, null: what is absent is not said. */
export function present<Members extends object>(members: Members): Present<Members> {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined && value !== null),
  ) as Present<Members>
}
