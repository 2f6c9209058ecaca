/** What runs beside a speaker, by the same plan: clients of RPKI caches, the export to monitoring stations, MRT files. */
import type { Tap } from '#core/bgp/tap.ts'
import type { StationStatus } from '#core/bmp/station.ts'
import type { CacheStatus } from '#core/rpki/rpki.ts'
import { BmpLoop, type BmpLoopOptions } from './bmp-loop.ts'
import { MrtLoop } from './mrt-loop.ts'
import { RpkiLoop, type RpkiLoopOptions } from './rpki-loop.ts'

export class Beside {
  readonly #speaker: BmpLoopOptions['speaker']
  readonly #rpki: RpkiLoop
  readonly #bmp: BmpLoop
  readonly #mrt: MrtLoop

  constructor(options: BmpLoopOptions & RpkiLoopOptions) {
    this.#speaker = options.speaker
    this.#rpki = new RpkiLoop(options)
    this.#bmp = new BmpLoop(options)
    this.#mrt = new MrtLoop(options)
  }

  /** To be called after the speaker took a snapshot in. */
  follow(): void {
    const instances = this.#speaker().plan()?.instances ?? []
    this.#rpki.follow(instances)
    this.#bmp.follow(instances)
    this.#mrt.follow(instances)
  }

  /** What the speaker showed. */
  tapped(instance: string, tap: Tap): void {
    this.#bmp.tapped(instance, tap)
    this.#mrt.tapped(instance, tap)
  }

  /** Of one instance. */
  rpkiCaches(instance: string): CacheStatus[] {
    return this.#rpki.status(instance)
  }

  /** Of one instance. */
  stations(instance: string): StationStatus[] {
    return this.#bmp.status(instance)
  }

  /** Resolves when files are whole. */
  async stop(): Promise<void> {
    this.#rpki.stop()
    this.#bmp.stop()
    await this.#mrt.stop()
  }
}
