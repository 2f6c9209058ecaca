/** Routers in this process, each with a file of its own in a folder of the test's: what a test of two that talk begins with. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { address } from '#core/net/address.ts'
import { createLogger } from '#daemon/log.ts'
import { runRouter } from '#daemon/router-daemon.ts'

/** A document of a router's file. */
export function resource(kind: string, name: string, spec: object): string {
  return stringify({ apiVersion: 'herald.dev/v1alpha1', kind, metadata: { name }, spec })
}

/** Of sessions that come up and notice a loss soon. */
export const timers = { connectRetrySeconds: 1, holdTimeSeconds: 9, keepaliveSeconds: 3 }

export interface TestRouter {
  /** Where its API is. */
  api: string
  /** Puts other documents into its file. */
  write(...documents: string[]): void
  stop(): Promise<void>
}

/** Runs a router whose file holds `documents`, listening on `listen`, until it is stopped. */
export function startRouter(
  folder: string,
  name: string,
  listen: string,
  ...documents: string[]
): TestRouter {
  const file = join(folder, `${name}.yaml`)
  const socket = join(folder, `${name}.sock`)
  const write = (...all: string[]) => writeFileSync(file, all.join('---\n'))
  write(...documents)
  const stop = new AbortController()
  const log = createLogger({ level: 'silent' })
  const listenAddresses = [address(listen)]
  const ended = runRouter(
    { files: [file], node: name, socket, log, version: '0', listenAddresses },
    stop.signal,
  )
  return {
    api: `unix:${socket}`,
    write,
    async stop() {
      stop.abort()
      await ended
    },
  }
}
