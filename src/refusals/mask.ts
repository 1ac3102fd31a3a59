/** What a secret is shown as: how long it was, since a cut or doubly encoded one is a common fault. */
export function mask(secret: unknown): string {
  if (secret === undefined || secret === '') return 'nothing'
  return typeof secret === 'string' ? `[${secret.length} characters]` : `[${typeof secret}]`
}

/** An address whose parameters, user and fragment are masked: they may be secrets. What is no address is shown as it is. */
export function maskAddress(address: unknown): string {
  if (typeof address !== 'string' || address === '') return 'nothing'
  const url = URL.parse(address)
  if (!url) return address
  const query = [...url.searchParams].map(([name, value]) => `${name}=${mask(value)}`).join('&')
  const user = url.username || url.password ? '[user]@' : ''
  const authority = url.host ? `//${user}${url.host}` : user
  return `${url.protocol}${authority}${url.pathname}${query && `?${query}`}${url.hash && '#[fragment]'}`
}
