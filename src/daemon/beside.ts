/** What runs beside a speaker, by the same plan: clients of RPKI caches and the export to monitoring stations. */
import type { Tap } from '#core/bgp/tap.ts'
import type { StationStatus } from '#core/bmp/station.ts'
import type { CacheStatus } from '#core/rpki/rpki.ts'
import { BmpLoop, type BmpLoopOptions } from './bmp-loop.ts'
import { RpkiLoop, type RpkiLoopOptions } from './rpki-loop.ts'

export class Beside {
  readonly #speaker: BmpLoopOptions['speaker']
  readonly #rpki: RpkiLoop
  readonly #bmp: BmpLoop

  constructor(options: BmpLoopOptions & RpkiLoopOptions) {
    this.#speaker = options.speaker
    this.#rpki = new RpkiLoop(options)
    this.#bmp = new BmpLoop(options)
  }

  /** To be called after the speaker took a snapshot in. */
  follow(): void {
    const instances = this.#speaker().plan()?.instances ?? []
    this.#rpki.follow(instances)
    this.#bmp.follow(instances)
  }

  /** What the speaker showed. */
  tapped(instance: string, tap: Tap): void {
    this.#bmp.tapped(instance, tap)
  }

  /** Of one instance. */
  rpkiCaches(instance: string): CacheStatus[] {
    return this.#rpki.status(instance)
  }

  /** Of one instance. */
  stations(instance: string): StationStatus[] {
    return this.#bmp.status(instance)
  }

  stop(): void {
    this.#rpki.stop()
    this.#bmp.stop()
  }
}
