/** The API calls of this app, by the name of the button. */
export const calls: Record<string, (api: URL, accessToken: string) => Promise<Response>> = {
  read: (api, token) => call(api, token, 'GET', '/orders'),

  place: (api, token) => call(api, token, 'POST', '/orders', { item: 'A box of tea' }),

  async refund(api, token) {
    const list = await call(api, token, 'GET', '/orders')
    if (!list.ok) return list
    const { orders } = (await list.json()) as { orders: { id: number }[] }
    return call(api, token, 'POST', `/orders/${orders.at(-1)?.id ?? 0}/refund`)
  },
}

async function call(api: URL, token: string, method: string, path: string, body?: object) {
  return fetch(new URL(path, api), {
    method,
    headers: {
      Authorization: `Bearer ${token}`,
      ...(body && { 'Content-Type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  })
}
