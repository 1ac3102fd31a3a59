import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { compiledModules } from '../test/support/node-process.ts'

/** A program of the benchmark with a message channel; it ends when the channel is closed. */
export interface Forked {
  pid: number
  /** Sends a message and waits for its response. @throws Error with the program's error message */
  ask<T>(message: object): Promise<T>
  /** The next message that the program sends unasked. */
  said<T>(): Promise<T>
  stop(): Promise<void>
}

export function startForked(program: URL, env: Record<string, string> = {}): Forked {
  const child = fork(fileURLToPath(program), {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...compiledModules, ...env },
  })
  let waiting: PromiseWithResolvers<unknown> | undefined
  child.on('message', (answer: { error?: string }) => {
    if (answer.error === undefined) waiting?.resolve(answer)
    else waiting?.reject(new Error(`${program.pathname}: ${answer.error}`))
  })
  child.on('exit', () => waiting?.reject(new Error(`${program.pathname} ended`)))
  const said = async <T>(): Promise<T> => {
    waiting = Promise.withResolvers<unknown>()
    return (await waiting.promise) as T
  }
  /** One request at a time, because responses have no ids. */
  let last: Promise<unknown> = Promise.resolve()
  return {
    pid: child.pid ?? 0,
    said,
    ask<T>(message: object) {
      const answer = last.then(() => {
        child.send(message)
        return said<T>()
      })
      last = answer.catch(() => undefined)
      return answer
    },
    async stop() {
      const ended = once(child, 'exit')
      if (child.exitCode !== null || child.signalCode !== null) return
      child.disconnect()
      await ended
    },
  }
}
