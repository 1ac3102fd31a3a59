import { createServer } from 'node:net'
import { listeners, type Places } from './parts.ts'

/** @throws Error that names every port that is taken and the setting that changes it */
export async function assertFree({ ports }: Places): Promise<void> {
  const faults: string[] = []
  const chosen = new Map<number, string>()
  for (const { part, setting } of listeners) {
    const port = ports[part]
    const other = chosen.get(port)
    if (other !== undefined) faults.push(`${setting} and ${other} are both ${port}.`)
    else if (!(await isFree(port))) {
      faults.push(
        `Port ${port} for ${part} is in use. Stop the program that uses it, or choose another port:`,
        `  ${setting}=${port + 100} npm run demo`,
      )
    }
    chosen.set(port, setting)
  }
  if (faults.length > 0) throw new Error(faults.join('\n'))
}

/** Whether we could listen on this port. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
