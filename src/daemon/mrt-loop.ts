/**
 * Writes the MRT files of the instances that ask for some: appends what the speaker shows, begins new files in time, and dumps
 * tables a page at a time. A disk that is slow or full costs records, which is said, and never routing.
 */
import { createWriteStream, mkdirSync, renameSync, type WriteStream } from 'node:fs'
import { dirname } from 'node:path'
import type { Tap } from '#core/bgp/tap.ts'
import type { Clock } from '#core/lib/clock.ts'
import { messageOf } from '#core/lib/error.ts'
import { dumpTables, fileNameOf, nextFileAt, UpdateRecorder, type MrtConfig } from '#core/mrt/dump.ts'
import type { InstancePlan } from '#core/plan/node-plan.ts'
import type { Speaker } from '#core/speaker/speaker.ts'
import type { Logger } from './log.ts'

export interface MrtLoopOptions {
  /** Asked, never told anything. */
  speaker: () => Speaker
  clock: Clock
  log: Logger
}

interface Running {
  instance: string
  config: MrtConfig
  identity: Pick<InstancePlan['config'], 'asn' | 'routerId'>
  updates: UpdatesFile | undefined
  cancelDump: () => void
  cancelPage: () => void
}

interface UpdatesFile {
  recorder: UpdateRecorder
  stream: WriteStream
  bytes: number
  endsAt: number
  /** Records that were left out since the disk was last fast enough. */
  lost: number
}

/** Bytes that may wait for the disk. */
const waitingMax = 16 * 1024 * 1024

export class MrtLoop {
  readonly #options: MrtLoopOptions
  readonly #running = new Map<string, Running>()

  constructor(options: MrtLoopOptions) {
    this.#options = options
  }

  /** Makes the files of every instance those of its plan. To be called after the speaker took the plan over. */
  follow(instances: readonly InstancePlan[]): void {
    const wanted = new Map(
      instances.flatMap((plan) => {
        const { name, asn, routerId } = plan.config
        return plan.mrt === undefined
          ? []
          : [[JSON.stringify([name, asn, routerId, plan.mrt]), plan] as const]
      }),
    )
    for (const [key, running] of this.#running) {
      if (wanted.has(key)) continue
      running.cancelDump()
      running.cancelPage()
      running.updates?.stream.end()
      this.#running.delete(key)
    }
    for (const [key, { config, mrt }] of wanted) {
      if (this.#running.has(key)) continue
      const { name: instance, asn, routerId } = config
      const none = () => {}
      const running: Running = {
        instance,
        config: mrt!,
        identity: { asn, routerId },
        updates: undefined,
        cancelDump: none,
        cancelPage: none,
      }
      this.#running.set(key, running)
      if (mrt!.updates !== undefined) this.#begin(running, mrt!.updates)
      if (mrt!.rib !== undefined) this.#planDump(running, mrt!.rib)
    }
  }

  /** What the speaker showed. */
  tapped(instance: string, tap: Tap): void {
    for (const running of this.#running.values())
      if (running.instance === instance && running.updates !== undefined)
        this.#append(running, running.updates, tap)
  }

  /** Ends all files; resolves when they are on their way to the disk as a whole. */
  async stop(): Promise<void> {
    const streams = [...this.#running.values()].flatMap(({ updates }) => updates?.stream ?? [])
    this.follow([])
    await Promise.all(
      streams.map(
        (stream) =>
          new Promise<void>((resolve) => (stream.closed ? resolve() : stream.once('close', resolve))),
      ),
    )
  }

  #begin(running: Running, { file, rotateSeconds }: NonNullable<MrtConfig['updates']>): void {
    const { clock, speaker } = this.#options
    const now = clock.now()
    const recorder =
      running.updates?.recorder ?? new UpdateRecorder(speaker().tappedSessions(running.instance))
    running.updates?.stream.end()
    running.updates = {
      recorder,
      stream: this.#open(running, fileNameOf(file, running.instance, now), 'a'),
      bytes: 0,
      endsAt: nextFileAt(now, rotateSeconds),
      lost: 0,
    }
  }

  #append(running: Running, updates: UpdatesFile, tap: Tap): void {
    const config = running.config.updates!
    const now = this.#options.clock.now()
    const record = updates.recorder.record(tap, now)
    if (record === undefined) return
    const { rotateBytes = Infinity } = config
    if (now >= updates.endsAt || updates.bytes + record.length > rotateBytes) this.#begin(running, config)
    const file = running.updates!
    if (file.stream.destroyed || file.stream.writableLength > waitingMax) {
      if (file.lost++ === 0) this.#trouble(running, 'the disk does not keep up')
      return
    }
    file.bytes += record.length
    file.stream.write(record)
  }

  #planDump(running: Running, { file, intervalSeconds }: NonNullable<MrtConfig['rib']>): void {
    const { clock } = this.#options
    running.cancelDump = clock.at(nextFileAt(clock.now(), intervalSeconds), () => {
      this.#planDump(running, { file, intervalSeconds })
      this.#dump(running, fileNameOf(file, running.instance, clock.now()))
    })
  }

  /** Into a file of another name, which gets its own when it is whole. A dump that is still going on is given up. */
  #dump(running: Running, path: string): void {
    running.cancelPage()
    const { clock, speaker, log } = this.#options
    const { instance, identity } = running
    const part = `${path}.part`
    const stream = this.#open(running, part, 'w')
    const pages = dumpTables(
      {
        ...identity,
        name: instance,
        sessions: speaker().tappedSessions(instance),
        page: (...query) => speaker().routePage(instance, ...query),
      },
      clock.now(),
    )
    running.cancelPage = () => stream.destroy()
    let bytes = 0
    const step = () => {
      if (stream.destroyed) return
      const { done, value } = pages.next()
      if (done === true) {
        running.cancelPage = () => {}
        stream.end(() => {
          try {
            renameSync(part, path)
            log.info('tables dumped', { instance, file: path, bytes })
          } catch (error) {
            this.#trouble(running, messageOf(error))
          }
        })
        return
      }
      let ready = true
      for (const record of value) {
        bytes += record.length
        ready = stream.write(record)
      }
      if (ready) running.cancelPage = later(() => clock.at(clock.now(), step), stream)
      else stream.once('drain', step)
    }
    step()
  }

  #open(running: Running, path: string, flags: 'a' | 'w'): WriteStream {
    try {
      mkdirSync(dirname(path), { recursive: true })
    } catch (error) {
      this.#trouble(running, messageOf(error))
    }
    const stream = createWriteStream(path, { flags })
    stream.on('error', (error) => this.#trouble(running, error.message))
    return stream
  }

  #trouble({ instance }: Running, reason: string): void {
    this.#options.log.warn('MRT files are not complete', { instance, reason })
  }
}

/** Takes back the step and closes the file that it would have written to. */
function later(plan: () => () => void, stream: WriteStream): () => void {
  const cancel = plan()
  return () => {
    cancel()
    stream.destroy()
  }
}
