import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryFiles } from '#host/files-memory.ts'
import { markRun } from './run-marker.ts'

test('RFC 4724 §4.1: a run is a restart when there was one before it', async () => {
  const files = memoryFiles()
  const path = '/run/herald/api.sock.running'
  assert.equal(await markRun(files, path), false)
  assert.equal(await markRun(files, path), true)
  assert.equal(await markRun(files, '/run/herald/other.sock.running'), false)
})
