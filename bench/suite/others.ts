import type { Server, Supply } from '../servers/server.ts'
import type { Case, Task } from './cases.ts'

/**
 * The cases when only other servers are measured. Rows are named after the request, because the form of those servers'
 * responses is unknown; cases with equal requests at all of them are measured once. Our targets do not apply.
 */
export function casesOfOthers(cases: Case[], servers: Server[]): Case[] {
  const asked = new Map<string, Case>()
  for (const each of cases) {
    const sets = [each.task.with, each.task.asked].filter((set) => set !== undefined)
    const request = servers.map((server) => sets.map((set) => server.parameters(set)))
    const key = JSON.stringify([each.name, request])
    if (!asked.has(key)) asked.set(key, each)
  }
  const distinct = [...asked.values()]
  return distinct.map(({ name, task, beside }) => {
    const isOne = distinct.filter((other) => other.name === name).length === 1
    const row = isOne ? name : `${name}, ${task.with ?? task.asked}`
    return { name, row, task, ...(beside === undefined ? {} : { beside }) }
  })
}

const needed: Record<Supply, string> = {
  cookies: 'cookies of a signed-in user',
  people: 'users with passwords',
  codes: 'cookies of a signed-in user',
  refresh_token: 'refresh tokens, or cookies of a signed-in user',
  access_token: 'access tokens, or cookies of a signed-in user',
}

/** A sentence with what a server lacks for a task. */
export async function lackOf(server: Server, { client, supply, ...task }: Task): Promise<string> {
  const lacks: string[] = []
  const sets = [task.with, task.asked].filter((set) => set !== undefined)
  if (client !== undefined && !server.client(client)) lacks.push(`the client ${client}`)
  for (const set of sets) if (!server.parameters(set)) lacks.push(`parameters of ${set}`)
  if (supply !== undefined && !(await server.given(supply))) {
    const isMade = supply !== 'people' && supply !== 'cookies'
    if (!isMade || !(await server.given('cookies'))) lacks.push(needed[supply])
    else if (!server.client('web') && client !== 'web') lacks.push('the client web')
  }
  return `${server.name} lacks ${lacks.join(' and ')}`
}
