import type { Server, Supply } from '../servers/server.ts'
import type { Case, Task } from './cases.ts'

/**
 * The cases as other servers alone are asked them. A row says what is asked, as nobody knows what they answer with; one
 * that asks all of them the same as an earlier one is left out. What ours ought to do is no measure of them.
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
  cookies: 'cookies of somebody who is signed in',
  people: 'people with their passwords',
  codes: 'cookies of somebody who is signed in',
  refresh_token: 'refresh tokens, or cookies of somebody who is signed in',
  access_token: 'access tokens, or cookies of somebody who is signed in',
}

/** What a server lacks for a task, in words. */
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
