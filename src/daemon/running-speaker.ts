/**
 * What `herald speaker` and `herald router` have in common: a speaker on this machine's TCP and clock, what runs beside it, its
 * log, and the view that the API shows of it. Where the snapshots come from is theirs.
 */
import type { SpeakerView } from '#api/speaker-backend.ts'
import type { Clock } from '#core/lib/clock.ts'
import type { Address } from '#core/net/address.ts'
import type { Tcp } from '#core/net/tcp.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import type { Speaker } from '#core/speaker/speaker.ts'
import { systemClock } from '#host/clock.ts'
import { systemFiles } from '#host/files.ts'
import { returnMemory } from '#host/memory.ts'
import { linuxDiscovery } from '#host/neighbour-discovery.ts'
import { linuxTcp } from '#host/tcp-linux.ts'
import { Beside } from './beside.ts'
import { BgpLog } from './bgp-log.ts'
import { Changes } from './changes.ts'
import type { Logger } from './log.ts'
import { practise } from './practise.ts'
import { ProblemLog } from './problem-log.ts'
import { markRun } from './run-marker.ts'
import { SpeakerLoop } from './speaker-loop.ts'
import { speakerView } from './speaker-view.ts'

/** What a user may say of either role. */
export interface SpeakerRoleOptions {
  /** Path of the Unix socket to serve the API on; absent: no API. */
  socket?: string
  log: Logger
  /** What the API says of this program. */
  version: string
  /** Accept BGP connections on these addresses only; absent: on all. */
  listenAddresses?: Address[]
  /** Absent: this machine's. */
  tcp?: Tcp
  clock?: Clock
  /** For jitter; absent: chosen anew. */
  seed?: number
  /** Get up to speed before the first session is up; absent: no. */
  practises?: boolean
}

export interface RunningSpeaker {
  readonly speaker: Speaker
  readonly view: SpeakerView
  /** Does what the snapshot says. */
  show(snapshot: Snapshot): void
  /** Ends the sessions; resolves when the last messages have left and files are whole. */
  stop(): Promise<void>
}

/** `stateChanged`: told, beside the API, when the speaker may look different. */
export async function startSpeaker(
  options: SpeakerRoleOptions & {
    role: 'speaker' | 'router'
    node: string
    dialects: string[]
    stateChanged?: () => void
  },
): Promise<RunningSpeaker> {
  const { node, dialects, log, socket, version, role } = options
  const changes = new Changes()
  const problems = new ProblemLog(log)
  const clock = options.clock ?? systemClock
  const tcp = options.tcp ?? linuxTcp()
  const bgpLog = new BgpLog(log, () => clock.now())
  const restarted = socket !== undefined && (await markRun(systemFiles, `${socket}.running`))
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32)
  const endPractice = options.practises === true ? practise(clock) : () => {}
  const loop = new SpeakerLoop({
    config: { node, dialects, seed, restarted },
    tcp,
    ...(options.tcp === undefined ? { discovery: linuxDiscovery() } : {}),
    clock,
    ...(options.listenAddresses === undefined ? {} : { listenAddresses: options.listenAddresses }),
    event: (instance, event) => {
      if (event.kind === 'sessionUp') endPractice()
      bgpLog.write(instance, event)
    },
    tapped: (instance, tap) => beside.tapped(instance, tap),
    stateChanged: () => {
      changes.announce()
      options.stateChanged?.()
      problems.update(loop.speaker.plan()?.problems ?? [])
    },
    trouble: (message, about) => log.warn(message, about),
  })
  const beside = new Beside({
    speaker: () => loop.speaker,
    tcp,
    clock,
    log,
    node,
    version,
    input: (input) => loop.input(input),
    changed: () => changes.announce(),
  })
  const memory = options.tcp === undefined ? returnMemory() : undefined
  return {
    speaker: loop.speaker,
    view: speakerView(loop, beside, { version, role, node }, changes),
    show(snapshot) {
      loop.input({ kind: 'snapshot', snapshot })
      beside.follow()
    },
    async stop() {
      endPractice()
      await loop.stop()
      await beside.stop()
      memory?.stop()
    },
  }
}
