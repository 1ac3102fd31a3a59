import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { compiledModules } from '../test/support/node-process.ts'

/** A program of the benchmark that is spoken to over a channel; it ends with it. */
export interface Forked {
  pid: number
  /** One message and its answer. @throws Error with what the program says */
  ask<T>(message: object): Promise<T>
  /** What it says next by itself. */
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
  /** One question after another: answers have no names. */
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
