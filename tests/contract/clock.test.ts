import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '#host/clock.ts'
import { VirtualClock } from '#sim/clock.ts'
import { clockContract } from './clock.contract.ts'

clockContract('the clock of this machine', () => ({ clock: systemClock, pass: (ms) => sleep(ms + 1) }))

clockContract('a virtual clock', () => {
  const clock = new VirtualClock(1_000_000)
  return { clock, pass: async (ms) => clock.runFor(ms) }
})
