/** An order in this API's answers. */
export interface Order {
  id: number
  item: string
  state: 'placed' | 'refunded'
}

/** Orders in memory; a real API has a database. */
export function createOrders() {
  const orders: (Order & { owner: string })[] = []
  const show = ({ id, item, state }: Order): Order => ({ id, item, state })

  return {
    /** A scope says what a client may do. *Whose* orders it may do it with is for the API to check. */
    of: (owner: string): Order[] => orders.filter((order) => order.owner === owner).map(show),
    place(owner: string, item: string): Order {
      const order = { id: orders.length + 1, item, state: 'placed' as const, owner }
      orders.push(order)
      return show(order)
    },
    /** @returns undefined when this owner has no such order */
    refund(owner: string, id: number): Order | undefined {
      const order = orders.find((each) => each.id === id && each.owner === owner)
      if (!order) return undefined
      order.state = 'refunded'
      return show(order)
    },
    report() {
      const refunded = orders.filter(({ state }) => state === 'refunded').length
      return { orders: orders.length, refunded }
    },
  }
}
