/** MRT files on a real disk: when new ones begin, and what the commands say of them. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import type { Tap, TappedSession } from '#core/bgp/tap.ts'
import { address } from '#core/net/address.ts'
import { sampleFile } from '#core/mrt/mrt.testing.ts'
import { MrtReader } from '#core/mrt/read.ts'
import type { MrtConfig } from '#core/mrt/dump.ts'
import type { InstancePlan } from '#core/plan/node-plan.ts'
import type { Speaker } from '#core/speaker/speaker.ts'
import { createLogger } from '#daemon/log.ts'
import { MrtLoop } from '#daemon/mrt-loop.ts'

const keepalive = Uint8Array.from([...Array.from({ length: 16 }, () => 0xff), 0, 19, 4])

const session: TappedSession = {
  peer: 'b',
  asn: 65002,
  routerId: address('192.0.2.2'),
  localAsn: 65001,
  ends: {
    localAddress: address('192.0.2.1'),
    localPort: 179,
    remoteAddress: address('192.0.2.2'),
    remotePort: 40_000,
  },
  families: ['ipv4/unicast'],
  fourOctetAsn: true,
  addPathReceive: [],
  addPathSend: [],
  since: 0,
  sentOpen: keepalive,
  receivedOpen: keepalive,
}

const received: Tap = { kind: 'received', peer: 'b', bytes: keepalive }

/** A loop on a clock that stands still, and the records of each file after its end. */
class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), 'herald-mrt-files-'))
  readonly lines: string[] = []
  now = Date.parse('2026-01-01T00:00:00Z')
  readonly #loop: MrtLoop

  constructor(mrt: (folder: string) => MrtConfig) {
    const speaker = { tappedSessions: () => [session], routePage: () => ({ entries: [] }) }
    this.#loop = new MrtLoop({
      speaker: () => speaker as unknown as Speaker,
      clock: { now: () => this.now, at: () => () => {} },
      log: createLogger({ level: 'info', human: true, write: (line) => void this.lines.push(line) }),
    })
    const plan = { config: { name: 'edge', asn: 65001, routerId: '192.0.2.1' }, mrt: mrt(this.folder) }
    this.#loop.follow([plan as InstancePlan])
  }

  tap(count: number): void {
    for (let i = 0; i < count; i++) this.#loop.tapped('edge', received)
  }

  async end(): Promise<Record<string, number>> {
    await this.#loop.stop()
    const counts = readdirSync(this.folder).map((name) => {
      const reader = new MrtReader()
      reader.push(readFileSync(join(this.folder, name)))
      let count = 0
      while (reader.next()?.ok === true) count++
      assert.ok(reader.end().ok, `${name} is whole`)
      return [name, count] as const
    })
    rmSync(this.folder, { recursive: true })
    return Object.fromEntries(counts)
  }
}

test('a new file begins at each multiple of the period, and holds what came since', async () => {
  const bench = new Bench((folder) => ({ updates: { file: join(folder, '%H%M'), rotateSeconds: 900 } }))
  bench.tap(3)
  bench.now += 14 * 60_000
  bench.tap(1)
  bench.now += 60_000
  bench.tap(2)
  assert.deepEqual(await bench.end(), { '0000': 4, '0015': 2 })
})

test('a new file begins before the old one grows beyond its size', async () => {
  // A record has 12 octets of header, 20 of session and 19 of message.
  const bench = new Bench((folder) => ({
    updates: { file: join(folder, '%S'), rotateSeconds: 900, rotateBytes: 4 * 51 },
  }))
  bench.tap(4)
  bench.now += 1_000
  bench.tap(3)
  assert.deepEqual(await bench.end(), { '00': 4, '01': 3 })
})

test('a file that cannot be written is told of, and nothing else happens', async () => {
  const bench = new Bench((folder) => {
    writeFileSync(join(folder, 'taken'), '')
    return { updates: { file: join(folder, 'taken', 'file'), rotateSeconds: 900 } }
  })
  bench.tap(2)
  await bench.end()
  assert.match(bench.lines.join(''), /MRT files are not complete.*instance=edge/)
})

const herald = resolve(import.meta.dirname, '../../src/herald.ts')

function show(...args: string[]) {
  return spawnSync(process.execPath, [herald, 'mrt', 'show', ...args], { encoding: 'utf8' })
}

test('the command prints a file, a part of it, or says what is wrong with it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'herald-mrt-show-'))
  try {
    const file = join(folder, 'file')
    writeFileSync(file, sampleFile())
    const whole = show(file)
    assert.equal(whole.status, 0)
    assert.equal(whole.stdout.trimEnd().split('\n').length, 10)
    const part = show(file, '--prefix', '2001:db8:3::/48', '--peer', '2001:db8::3', '-o', 'json')
    const kinds = part.stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { source: string }).source)
    assert.deepEqual(kinds, ['update', 'rib'])
    const missing = show(join(folder, 'none'))
    assert.deepEqual([missing.status, missing.stderr.startsWith('herald: ENOENT')], [1, true])
    writeFileSync(file, 'this is no file of that kind, but a long text')
    const wrong = show(file)
    assert.equal(wrong.status, 1)
    assert.match(wrong.stderr, /no MRT file/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
