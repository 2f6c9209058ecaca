import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFiles } from '#host/files-memory.ts'
import { markRun } from './run-marker.ts'

const path = '/run/herald/api.sock.running'

test('RFC 4724 §4.1: a run is a restart when the one before it did not say that it ended', async () => {
  const files = memoryFiles()
  const first = await markRun(files, path)
  assert.equal(first.restarted, false)
  const second = await markRun(files, path)
  assert.equal(second.restarted, true)
  await second.release()
  assert.equal((await markRun(files, path)).restarted, false)
})
