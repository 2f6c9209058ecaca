import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { SingleTask } from './single-task.ts'

test('runs once for the requests of a turn, and once more for those that came meanwhile', async () => {
  let runs = 0
  let release = () => {}
  const task = new SingleTask(async () => {
    runs++
    await new Promise<void>((resolve) => (release = resolve))
  })
  task.request()
  task.request()
  await sleep(5)
  assert.equal(runs, 1)
  task.request()
  task.request()
  await sleep(5)
  assert.equal(runs, 1, 'one at a time')
  release()
  await sleep(5)
  assert.equal(runs, 2)
  release()
  await task.stop()
  assert.equal(runs, 2)
})

test('leaves a pause between two runs', async () => {
  const at: number[] = []
  const task = new SingleTask(() => {
    at.push(performance.now())
    task.request()
    return Promise.resolve()
  }, 30)
  task.request()
  await sleep(100)
  await task.stop()
  assert.ok(at.length >= 2 && at.length <= 4, `${at.length} runs in 100 ms`)
})

test('runs no more after it was stopped, and stop waits for the present run', async () => {
  let ended = false
  const task = new SingleTask(async () => {
    await sleep(20)
    ended = true
  })
  task.request()
  await sleep(5)
  await task.stop()
  assert.ok(ended)
  ended = false
  task.request()
  await sleep(30)
  assert.ok(!ended)
})
