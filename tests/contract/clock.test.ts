import { setTimeout as sleep } from 'node:timers/promises'
import { systemClock } from '#host/clock.ts'
import { clockContract } from './clock.contract.ts'

clockContract('the clock of this machine', () => ({ clock: systemClock, pass: (ms) => sleep(ms + 1) }))
