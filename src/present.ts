/** An object whose members that may be undefined or null may be absent instead. */
type Present<Members> = {
  [Name in keyof Members as undefined extends Members[Name]
    ? never
    : null extends Members[Name]
      ? never
      : Name]: Members[Name]
} & {
  [Name in keyof Members as undefined extends Members[Name]
    ? Name
    : null extends Members[Name]
      ? Name
      : never]?: NonNullable<Members[Name]>
}

/** The members that are neither undefined nor, as in a row, null: what is absent is not said. */
export function present<Members extends object>(members: Members): Present<Members> {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined && value !== null),
  ) as Present<Members>
}
