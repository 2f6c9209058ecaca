/** A router whose file is edited: mistakes are told by the API, and what ran keeps running. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { getJson } from '#api/contract/client.ts'
import { listSchema, peerRowSchema, problemRowSchema } from '#api/contract/contract.ts'
import { createLogger } from '#daemon/log.ts'
import { runRouter } from '#daemon/router-daemon.ts'
import { untilGiven } from '../until.testing.ts'

const valid = `
global: { config: { as: 65001, router-id: 192.0.2.1, port: -1 } }
neighbors:
  - { config: { neighbor-address: 192.0.2.2, peer-as: 65002 }, transport: { config: { passive-mode: true } } }
  - { config: { neighbor-address: '2001:db8::2', peer-as: 65002 }, transport: { config: { passive-mode: true } } }
`

test('an invalid file is a problem that the API shows, and changes nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'herald-reload-'))
  const file = join(folder, 'gobgpd.yaml')
  const socket = join(folder, 'api.sock')
  writeFileSync(file, valid)
  const stop = new AbortController()
  const log = createLogger({ level: 'silent' })
  const ended = runRouter({ files: [file], node: 'here', socket, log, version: '0' }, stop.signal)
  const problems = async (): Promise<string[] | undefined> => {
    const answer = await getJson(`unix:${socket}`, '/v1/problems', listSchema(problemRowSchema))
    return answer.ok ? answer.value.items.map(({ message }) => message) : undefined
  }
  const peers = async () => {
    const answer = await getJson(`unix:${socket}`, '/v1/peers', listSchema(peerRowSchema))
    return answer.ok ? answer.value.items.map(({ address }) => address) : undefined
  }
  const both = ['192.0.2.2', '2001:db8::2']
  try {
    await untilGiven('the router is up', async () => (await peers())?.length === 2)
    const before = await problems()
    for (const { text, says } of [
      { text: valid.replace('peer-as', 'peer-ass'), says: /knows no "peer-ass"/ },
      { text: '', says: /there is nothing in it/ },
      { text: `${valid}  - {`, says: /gobgpd\.yaml: / },
    ]) {
      writeFileSync(file, text)
      await untilGiven('it is told', async () => (await problems())?.some((message) => says.test(message)))
      assert.deepEqual(await peers(), both)
    }
    writeFileSync(file, valid)
    await untilGiven('it is solved', async () => isDeepStrictEqual(await problems(), before))
    assert.deepEqual(await peers(), both)
  } finally {
    stop.abort()
    await ended
    rmSync(folder, { recursive: true })
  }
})
