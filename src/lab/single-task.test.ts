import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { until } from '../../tests/until.testing.ts'
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
  await until(() => runs === 1, 'the first run')
  task.request()
  task.request()
  await sleep(5)
  assert.equal(runs, 1, 'one at a time')
  release()
  await until(() => runs === 2, 'the second run')
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
  await until(() => at.length >= 3, 'three runs')
  await task.stop()
  for (const [i, time] of at.entries()) {
    // A timer may run a fraction of a millisecond early.
    if (i > 0) assert.ok(time - at[i - 1]! >= 29, `${time - at[i - 1]!} ms between two runs`)
  }
})

test('runs no more after it was stopped, and stop waits for the present run', async () => {
  let [began, ended] = [false, false]
  const task = new SingleTask(async () => {
    began = true
    await sleep(20)
    ended = true
  })
  task.request()
  await until(() => began, 'the run begins')
  await task.stop()
  assert.ok(ended)
  ended = false
  task.request()
  await sleep(30)
  assert.ok(!ended)
})
