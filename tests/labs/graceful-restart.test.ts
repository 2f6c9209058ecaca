/** Restarts of a speaker under traffic: neighbours that help, BIRD and Herald, go on forwarding, so no request is lost. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { address, versionOf, type Address } from '#core/net/address.ts'
import { httpGet } from '#lab/http-probe.ts'
import type { RunningLab } from '#lab/lab.ts'
import { eventually } from '../until.testing.ts'
import { assertNothingLeft, kubectl, skipReason, startLab } from './lab.testing.ts'

const folder = join(import.meta.dirname, 'graceful-restart')
const pauseMs = 20

describe('a restart under traffic', { skip: skipReason(folder, ['kubectl']) }, () => {
  let lab: RunningLab
  let vips: Address[]
  before(async () => {
    lab = await startLab(folder)
    vips = await eventually('the Service has two addresses', async () => {
      const path = 'jsonpath={.status.loadBalancer.ingress[*].ip}'
      const text = await kubectl(lab, ['get', 'service', 'nginx', '-o', path])
      const found = text.split(' ').filter(Boolean).map(address)
      assert.deepEqual(
        found.map(versionOf).toSorted((a, b) => a - b),
        [4, 6],
      )
      return found
    })
    await eventually('both clients are answered over both versions', async () => {
      for (const client of lab.clients.keys())
        for (const vip of vips) assert.equal(await ask(client, vip), '')
    })
  })
  after(async () => {
    await lab.down()
    assertNothingLeft(lab.name)
  })

  /** What went wrong; empty: nothing. */
  async function ask(client: string, vip: Address): Promise<string> {
    const answer = await httpGet(lab.clients.get(client)!, vip, 80)
    if (!answer.ok) return `${client} ${vip}: ${answer.error}`
    return answer.value.status === 200 ? '' : `${client} ${vip}: ${answer.value.status}`
  }

  /** Requests of every client to every address while `action` runs, and what went wrong with them. */
  async function underTraffic(action: () => Promise<void>): Promise<{ count: number; lost: string[] }> {
    const seen = { count: 0, lost: [] as string[] }
    const over = new AbortController()
    const streams = [...lab.clients.keys()].flatMap((client) =>
      vips.map(async (vip) => {
        while (!over.signal.aborted) {
          const problem = await ask(client, vip)
          seen.count++
          if (problem !== '') seen.lost.push(problem)
          await sleep(pauseMs)
        }
      }),
    )
    try {
      await action()
    } finally {
      over.abort()
      await Promise.all(streams)
    }
    return seen
  }

  async function established(): Promise<void> {
    await eventually('all sessions of the node are up', async () => {
      const near = await lab.routers.get('near')!.ask('show', 'protocols')
      assert.equal([...near.matchAll(/^node[46] .*Established/gm)].length, 2)
      const server = await lab.routers.get('server')!.ask('peers')
      assert.equal([...server.matchAll(/established/gi)].length, 4)
    })
  }

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    test(`RFC 4724 §4: no request is lost when the speaker ends by ${signal} and starts again`, async () => {
      await established()
      const speaker = [...lab.clusters.get('site')!.speakers.values()][0]!
      const { count, lost } = await underTraffic(async () => {
        speaker.kill(signal)
        await eventually('the speaker has ended', () => assert.equal(speaker.pid, undefined))
        await sleep(1500)
        speaker.start()
        await sleep(1000)
        await established()
        // Until every End-of-RIB has come, and whatever was stale is gone.
        await sleep(2000)
      })
      assert.deepEqual(lost, [])
      assert.ok(count > 100, `${count} requests`)
    })
  }
})
