/** A cache of the tests' own at the other end of a client's connections, and the clock between them. */
import { address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'
import { encodePdu, PduFramer, type Pdu } from './pdu.ts'
import { keyOf, type Roa } from './records.ts'
import { Rpki, type RpkiInput, type RpkiOutput } from './rpki.ts'

export const intervals = { refreshSeconds: 100, retrySeconds: 50, expireSeconds: 1000 }

export function roa(text: string, maxLength: number, asn: number): Roa {
  return { prefix: prefix(text), maxLength, asn }
}

type Sendable = Parameters<typeof encodePdu>[0]

/** PDUs of a whole answer to a Reset Query. */
export function answer(records: Roa[], serial: number, sessionId = 7, version: 0 | 1 = 1): Sendable[] {
  return [
    { kind: 'cacheResponse', version, sessionId },
    ...records.map((record): Sendable => ({ kind: 'prefix', version, announce: true, ...record })),
    { kind: 'endOfData', version, sessionId, serial, ...(version === 1 && { intervals }) },
  ]
}

export class Bench {
  readonly rpki = new Rpki()
  now = 1_000_000
  /** What the speaker was told and not told otherwise. */
  readonly told = new Set<string>()
  /** All outputs so far. */
  readonly outputs: RpkiOutput[] = []

  constructor(preferences: readonly number[]) {
    const caches = preferences.map((preference, i) => ({
      address: address(i % 2 === 0 ? `192.0.2.${i + 1}` : `2001:db8::${i + 1}`),
      port: 323,
      preference,
    }))
    this.give({ kind: 'configure', caches })
  }

  give(input: RpkiInput): RpkiOutput[] {
    const outputs: RpkiOutput[] = []
    for (let next: RpkiInput | undefined = input; next !== undefined;) {
      outputs.push(...this.rpki.handle(next, this.now))
      next = this.rpki.nextDeadline() <= this.now ? { kind: 'tick' } : undefined
    }
    for (const output of outputs) {
      if (output.kind !== 'origins') continue
      for (const each of output.removed) this.told.delete(keyOf(each))
      for (const each of output.added) this.told.add(keyOf(each))
    }
    this.outputs.push(...outputs)
    return outputs
  }

  /** The connection that was dialed last. */
  get dialed(): number {
    const last = this.outputs.filter((output) => output.kind === 'dial').at(-1)
    return last?.kind === 'dial' ? last.connection : 0
  }

  receive(connection: number, ...pdus: Sendable[]): RpkiOutput[] {
    return pdus.flatMap((pdu) => this.give({ kind: 'received', connection, bytes: encodePdu(pdu) }))
  }

  /** Lets time pass, waking the client when it asks for it. */
  wait(ms: number): RpkiOutput[] {
    const outputs: RpkiOutput[] = []
    const end = this.now + ms
    while (this.rpki.nextDeadline() <= end) {
      this.now = Math.max(this.now, this.rpki.nextDeadline())
      outputs.push(...this.give({ kind: 'tick' }))
    }
    this.now = end
    return outputs
  }
}

/** The PDUs among the outputs. */
export function sent(outputs: readonly RpkiOutput[]): Pdu[] {
  return outputs.flatMap((output) => {
    if (output.kind !== 'send') return []
    const framer = new PduFramer()
    framer.push(output.bytes)
    const next = framer.next()
    return next?.ok === true ? [next.value] : []
  })
}
