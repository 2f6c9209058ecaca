/** What a session gave in one step, as the model of RFC 4271 §8.2.2 asks about it. */
import assert from 'node:assert/strict'
import type { ConnectionId } from '#core/bgp/io.ts'
import type { SessionOutput } from '#core/bgp/session/io.ts'
import type { Message } from '#core/bgp/wire/message.ts'

/** What one step gave, taken apart by connection; everything must be accounted for. */
export class Outputs {
  readonly #by = new Map<ConnectionId, string[]>()
  readonly up: ConnectionId | undefined
  readonly dialed: ConnectionId | undefined
  readonly updates: number
  readonly #kinds: string[] = []
  #downs = 0
  #expectedDowns = 0

  constructor(outputs: readonly SessionOutput[]) {
    let [up, dialed, updates]: [ConnectionId | undefined, ConnectionId | undefined, number] = [
      undefined,
      undefined,
      0,
    ]
    for (const output of outputs) {
      if (output.kind === 'send') this.#add(output.connection, shown(output.message))
      else if (output.kind === 'close') this.#add(output.connection, 'close')
      else if (output.kind === 'up') up = output.connection
      else if (output.kind === 'dial') dialed = output.connection
      else if (output.kind === 'down') this.#downs++
      else if (output.kind === 'update') updates++
      else if (output.kind !== 'routeRefresh') this.#kinds.push(output.kind)
    }
    this.up = up
    this.dialed = dialed
    this.updates = updates
  }

  #add(id: ConnectionId, what: string): void {
    const list = this.#by.get(id)
    if (list === undefined) this.#by.set(id, [what])
    else list.push(what)
  }

  sent(id: ConnectionId): string[] {
    return this.#by.get(id) ?? []
  }

  said(id: ConnectionId): boolean {
    return this.#said.has(id)
  }

  readonly #said = new Set<ConnectionId>()

  closed(id: ConnectionId): boolean {
    return this.sent(id).includes('close')
  }

  /** Exactly this goes out on the connection, or `other`. */
  expect(id: ConnectionId, expected: readonly string[], other?: readonly string[]): true {
    const sent = this.sent(id)
    const text = sent.join(' ')
    if (text !== expected.join(' ') && (other === undefined || text !== other.join(' ')))
      assert.fail(
        `connection ${id}: "${text}" instead of "${expected.join(' ')}"${other === undefined ? '' : ` or "${other.join(' ')}"`}`,
      )
    if (sent.length > 0) this.#said.add(id)
    this.#by.delete(id)
    return true
  }

  expectFirst(id: ConnectionId, first: string): void {
    assert.equal(this.sent(id).shift(), first)
  }

  take(id: ConnectionId): void {
    this.#by.delete(id)
  }

  expectDown(): void {
    this.#expectedDowns++
  }

  nothingElse(allowed: readonly string[]): void {
    for (const [id, sent] of this.#by) assert.deepEqual(sent, [], `nothing on connection ${id}`)
    assert.equal(this.#downs, this.#expectedDowns, 'the end of a session is told once')
    for (const kind of this.#kinds) assert.ok(allowed.includes(kind), kind)
  }
}

function shown(message: Message): string {
  return message.kind === 'notification' ? `${message.code}/${message.subcode}` : message.kind
}
