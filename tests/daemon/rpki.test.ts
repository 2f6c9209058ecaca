/** The RPKI client against the distribution's stayrtr, on loopback. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { stringify } from 'yaml'
import { getJson } from '#api/contract/client.ts'
import { listSchema, rpkiRowSchema, type RpkiRow } from '#api/contract/contract.ts'
import { address } from '#core/net/address.ts'
import type { InstancePlan } from '#core/plan/node-plan.ts'
import { keyOf } from '#core/rpki/records.ts'
import { createLogger } from '#daemon/log.ts'
import { runRouter } from '#daemon/router-daemon.ts'
import { RpkiLoop } from '#daemon/rpki-loop.ts'
import { systemClock } from '#host/clock.ts'
import { freePort } from '#host/free-port.ts'
import { linuxTcp } from '#host/tcp-linux.ts'
import { find } from '#lab/lab.ts'
import { until, untilGiven } from '../until.testing.ts'

const skip = find('stayrtr') === undefined ? 'needs stayrtr: npm test installs it on Debian as root' : false

const v4 = { prefix: '192.0.2.0/24', maxLength: 24, asn: 'AS65001', ta: 'test' }
const v6 = { prefix: '2001:db8::/32', maxLength: 48, asn: 'AS65001', ta: 'test' }
const more = { prefix: '198.51.100.0/24', maxLength: 28, asn: 'AS65002', ta: 'test' }
const keys = {
  v4: '65001 24 192.0.2.0/24',
  v6: '65001 48 2001:db8::/32',
  more: '65002 28 198.51.100.0/24',
}

class Cache {
  readonly folder = mkdtempSync(join(tmpdir(), 'herald-rpki-'))
  readonly port: number
  readonly #metricsPort: number
  readonly #version: number
  #process: ChildProcess | undefined

  private constructor(port: number, metricsPort: number, version: number) {
    this.port = port
    this.#metricsPort = metricsPort
    this.#version = version
  }

  static async make(version = 2): Promise<Cache> {
    const cache = new Cache(await freePort(), await freePort(), version)
    cache.serve([v4, v6])
    cache.start()
    return cache
  }

  serve(roas: object[]): void {
    const path = join(this.folder, 'vrps.json')
    writeFileSync(`${path}.new`, JSON.stringify({ metadata: {}, roas }))
    renameSync(`${path}.new`, path)
  }

  start(): void {
    this.#process = spawn(
      'stayrtr',
      `-bind 127.0.0.1:${this.port} -metrics.addr 127.0.0.1:${this.#metricsPort} -protocol ${this.#version}
       -checktime=false -refresh 1 -cache ${join(this.folder, 'vrps.json')}`.split(/\s+/),
      { stdio: 'ignore' },
    )
  }

  async stop(): Promise<void> {
    const process = this.#process
    this.#process = undefined
    if (process === undefined || process.exitCode !== null) return
    process.kill('SIGKILL')
    await once(process, 'exit')
  }

  async end(): Promise<void> {
    await this.stop()
    rmSync(this.folder, { recursive: true })
  }
}

/** A client as a daemon runs it, and what it told the speaker. */
function client(ports: readonly number[]) {
  const told = new Set<string>()
  const batches: { added: string[]; removed: string[] }[] = []
  const loop = new RpkiLoop({
    tcp: linuxTcp(),
    clock: systemClock,
    log: createLogger({ level: 'silent' }),
    input: (input) => {
      assert.ok(input.kind === 'origins' && input.instance === 'edge')
      const batch = { added: input.added.map(keyOf), removed: input.removed.map(keyOf) }
      for (const key of batch.removed) told.delete(key)
      for (const key of batch.added) told.add(key)
      batches.push(batch)
    },
    changed: () => {},
  })
  const rpkiCaches = ports.map((port, i) => ({ address: address('127.0.0.1'), port, preference: i }))
  loop.follow([{ config: { name: 'edge' }, rpkiCaches } as InstancePlan])
  const has = (...wanted: string[]) =>
    until(
      () => wanted.length === told.size && wanted.every((key) => told.has(key)),
      `the speaker has ${wanted.join(', ')}`,
      () => [[...told], loop.status('edge')],
    )
  return { loop, batches, has }
}

describe('an RPKI client with stayrtr', { skip }, () => {
  for (const version of [0, 1, 2]) {
    test(`payloads arrive from a cache of version ${version}, a change as an increment, and a loss keeps them`, async () => {
      const cache = await Cache.make(version)
      const { loop, batches, has } = client([cache.port])
      try {
        await has(keys.v4, keys.v6)
        assert.equal(loop.status('edge')[0]?.version, Math.min(version, 1))
        cache.serve([v6, more])
        await has(keys.v6, keys.more)
        assert.deepEqual(batches.at(-1), { added: [keys.more], removed: [keys.v4] })
        await cache.stop()
        await until(() => loop.status('edge')[0]?.state !== 'ready', 'the loss is seen')
        await has(keys.v6, keys.more)
        assert.equal(loop.status('edge')[0]?.used, true)
        cache.serve([v4])
        cache.start()
        await has(keys.v4)
      } finally {
        loop.stop()
        await cache.end()
      }
    })
  }

  test('RFC 8210 §10: the next cache serves while the preferred one is away', async () => {
    const preferred = await Cache.make()
    const second = await Cache.make()
    second.serve([more])
    const { loop, has } = client([preferred.port, second.port])
    try {
      await has(keys.v4, keys.v6)
      await preferred.stop()
      await has(keys.more)
      preferred.start()
      await has(keys.v4, keys.v6)
      await until(() => loop.status('edge')[1]?.state === 'idle', 'the second is left')
    } finally {
      loop.stop()
      await preferred.end()
      await second.end()
    }
  })
})

test(
  'a peer that speaks another protocol is named, and does not keep the next one out',
  { skip },
  async () => {
    const http = createServer().listen(0, '127.0.0.1')
    await once(http, 'listening')
    const cache = await Cache.make()
    const { loop, has } = client([(http.address() as AddressInfo).port, cache.port])
    try {
      await has(keys.v4, keys.v6)
      const [stranger] = loop.status('edge')
      assert.match(stranger?.lastError?.message ?? '', /Corrupt Data|Unsupported Protocol|closed/)
    } finally {
      loop.stop()
      await cache.end()
      http.close()
    }
  },
)

test('a router shows its caches, and takes a change of them without a restart', { skip }, async () => {
  const cache = await Cache.make()
  const file = join(cache.folder, 'router.yaml')
  const socket = join(cache.folder, 'api.sock')
  const write = (rpki: object | undefined) =>
    writeFileSync(
      file,
      stringify({
        apiVersion: 'herald.dev/v1alpha1',
        kind: 'BGPInstance',
        metadata: { name: 'edge' },
        spec: { asn: 65001, routerId: '192.0.2.1', ...(rpki === undefined ? {} : { rpki }) },
      }),
    )
  write({ caches: [{ address: '127.0.0.1', port: cache.port }] })
  const stop = new AbortController()
  const log = createLogger({ level: 'silent' })
  const ended = runRouter({ files: [file], node: 'here', socket, log, version: '0' }, stop.signal)
  const rows = async (): Promise<RpkiRow[]> => {
    const answer = await getJson(`unix:${socket}`, '/v1/rpki', listSchema(rpkiRowSchema))
    return answer.ok ? answer.value.items : []
  }
  try {
    const row = await untilGiven('the cache is ready', async () =>
      (await rows()).find(({ state }) => state === 'ready'),
    )
    assert.equal(row.instance, 'edge')
    assert.deepEqual([row.ipv4, row.ipv6, row.used, row.port], [1, 1, true, cache.port])
    write(undefined)
    await untilGiven('the cache is left', async () => (await rows()).length === 0)
  } finally {
    stop.abort()
    await ended
    await cache.end()
  }
})
