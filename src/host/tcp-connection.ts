/**
 * One TCP connection over a socket of Node. What is sent in one turn of the event loop leaves in few large writes, what
 * the kernel does not take waits in a queue that is reported, and reading takes its turn with the other connections.
 */
import type net from 'node:net'
import type { IpVersion } from '#core/net/address.ts'
import {
  sendQueueHigh,
  sendQueueLow,
  stalledMs,
  type ConnectionHandlers,
  type TcpConnection,
} from '#core/net/tcp.ts'
import { libc } from './libc.ts'
import { endInTurn, readInTurns } from './read-turn.ts'
import { setFilter, setMinTtl, setTtl } from './socket-linux.ts'
import { explain } from './tcp-errors.ts'
import { atTurnEnd, useOfTurn } from './turn.ts'

/** How long `close` waits for the other end to close too before it drops the connection. */
const lingerMs = 5_000
/** Most bytes given to the kernel at a time. A write reports nothing before all of it is taken: it is one progress. */
const writeBytes = 256 * 1024
/** Arrays up to this are copied together, which is cheaper than a list of them for the kernel. Longer ones never are. */
const copiedBytes = 16 * 1024

/** Where arrays were copied together, to be used again. */
const spareBuffers: Uint8Array[] = []
const spareBuffersMax = 16

/** Have something to write. */
let unsent: Connection[] = []
/** What comes now waits for the end of the turn: what is written to many in one turn is written to each once. */
let waitsForEnd = false

/** Are looked at now and then, whether what waits on them moves: cheaper than to note the time of each write. */
const watched = new Set<Connection>()
let watch: NodeJS.Timeout | undefined

export class Connection implements TcpConnection {
  readonly socket: net.Socket
  readonly #version: IpVersion
  #handlers: ConnectionHandlers | undefined
  #closed = false
  #failure: string | undefined
  /** What the kernel was not given yet: from byte {@link #offset} of array {@link #first} on. */
  #queue: Uint8Array[] = []
  #first = 0
  #offset = 0
  /** Of the queue and of the write in progress. */
  #queuedBytes = 0
  #writing = false
  #listed = false
  /** What was told of the queue, until it is as little as {@link sendQueueLow}. */
  #told: 'nothing' | 'stalled' | 'behind' = 'nothing'
  /** Writes that have ended, and as many at the last look at a write in progress; −1: there was none. */
  #writes = 0
  #writesSeen = -1

  /** `open` makes a socket that does not read yet, with the `onread` that it gets. What it throws is passed on. */
  constructor(version: IpVersion, open: (onread: net.OnReadOpts) => net.Socket) {
    this.#version = version
    this.socket = open(
      readInTurns(
        () => this.socket,
        (bytes) => this.#handlers?.received(bytes),
      ),
    )
    this.socket.on('error', (error) => (this.#failure ??= explain(error)))
    this.socket.on('close', () => {
      const told = this.#handlers
      this.#handlers = undefined
      this.#forget()
      unwatch(this)
      if (told !== undefined)
        endInTurn(() => told.closed(this.#failure ?? 'the other end closed the connection'))
    })
  }

  /** Whom to tell from now on. */
  attach(handlers: ConnectionHandlers): void {
    if (!this.#closed) {
      this.#handlers = handlers
      watched.add(this)
      watch ??= setInterval(lookAtAll, stalledMs).unref()
    }
    this.socket.resume()
  }

  get closed(): boolean {
    return this.#closed
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  send(bytes: Uint8Array): void {
    if (this.#closed || bytes.length === 0 || !this.socket.writable) return
    this.#queue.push(bytes)
    this.#queuedBytes += bytes.length
    if (this.#listed) return
    this.#listed = true
    if (unsent.push(this) === 1 && !waitsForEnd) process.nextTick(flushFirst)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#handlers = undefined
    unwatch(this)
    if (this.socket.connecting) {
      this.#forget()
      this.socket.destroy()
      return
    }
    // Half-closed and read on until the other end closes: a socket that is closed with unread bytes sends a reset, and
    // the other end would lose the NOTIFICATION sent last.
    this.#write()
    this.#endWhenSent()
    this.socket.resume()
    const linger = setTimeout(() => this.socket.destroy(), lingerMs)
    linger.unref()
    this.socket.once('close', () => clearTimeout(linger))
  }

  setTtl(ttl: number, minTtl?: number): void {
    const fd = fdOf(this.socket)
    if (fd < 0) return
    try {
      setTtl(fd, this.#version, ttl)
      setMinTtl(fd, this.#version, minTtl ?? 0)
      // What an accepted socket has inherited has done its part.
      setFilter(fd, [])
    } catch (error) {
      // Nothing may come from further away than was said.
      this.socket.destroy(error instanceof Error ? error : undefined)
    }
  }

  /** The turn ends: what was sent in it leaves. */
  flush(): void {
    this.#listed = false
    this.#write()
    if (this.#told === 'behind' || this.#queuedBytes <= sendQueueHigh) return
    const stalled = this.#told === 'stalled'
    this.#told = 'behind'
    this.#handlers?.sendQueue?.(this.#queuedBytes, stalled)
  }

  /** Tells of a write that was in progress at the last look, too, even if the kernel has taken a part of it. */
  look(): void {
    const stalled = this.#writing && this.#writesSeen === this.#writes
    this.#writesSeen = this.#writing ? this.#writes : -1
    if (!stalled || this.#told !== 'nothing') return
    this.#told = 'stalled'
    this.#handlers?.sendQueue?.(this.#queuedBytes, true)
  }

  /** Writes as much as the kernel takes at once, and leaves one write in progress if something is left. */
  #write(): void {
    while (!this.#writing && this.#first < this.#queue.length) this.#writeNext()
  }

  #writeNext(): void {
    const first = this.#queue[this.#first]!
    const alone = this.#first + 1 === this.#queue.length
    if (first.length <= copiedBytes && !alone) return this.#writeTogether()
    const part = first.subarray(this.#offset, this.#offset + writeBytes)
    this.#offset += part.length
    if (this.#offset === first.length) this.#advance()
    this.#give(part)
  }

  #writeTogether(): void {
    const buffer = spareBuffers.pop() ?? new Uint8Array(writeBytes)
    let length = 0
    while (this.#first < this.#queue.length) {
      const next = this.#queue[this.#first]!
      if (next.length > copiedBytes || length + next.length > writeBytes) break
      buffer.set(next, length)
      length += next.length
      this.#advance()
    }
    this.#give(buffer.subarray(0, length), () => {
      if (spareBuffers.length < spareBuffersMax) spareBuffers.push(buffer)
    })
  }

  /** To the kernel as far as that takes it at once, and the rest, or what is wrong, to Node's socket. */
  #give(bytes: Uint8Array, done?: () => void): void {
    const taken = this.socket.connecting ? 0 : Math.max(0, libc().send(fdOf(this.socket), bytes))
    this.#queuedBytes -= taken
    if (taken === bytes.length) {
      this.#writes++
      done?.()
      return
    }
    this.#writing = true
    const rest = bytes.subarray(taken)
    this.socket.write(rest, (error) => {
      done?.()
      this.#written(rest.length, error)
    })
  }

  #advance(): void {
    this.#offset = 0
    this.#first++
    if (this.#first < this.#queue.length && this.#first < 1024) return
    this.#queue.splice(0, this.#first)
    this.#first = 0
  }

  /** After an error nothing more is written: the socket is about to close. */
  #written(length: number, error?: Error | null): void {
    if (this.socket.destroyed || (error ?? undefined) !== undefined) return
    this.#writing = false
    this.#writes++
    this.#queuedBytes -= length
    this.#write()
    this.#endWhenSent()
    if (this.#told === 'nothing') return
    if (this.#queuedBytes <= sendQueueLow) this.#told = 'nothing'
    this.#handlers?.sendQueue?.(this.#queuedBytes, false)
  }

  #endWhenSent(): void {
    if (this.#closed && !this.#writing && this.#first === this.#queue.length) this.socket.end()
  }

  #forget(): void {
    this.#queue = []
    this.#first = 0
    this.#offset = 0
    this.#queuedBytes = 0
  }
}

/** Not part of Node's public interface, but stable since its first versions. −1: closed. */
export function fdOf(socket: net.Socket | net.Server): number {
  return (socket as unknown as { _handle?: { fd?: number } | null })._handle?.fd ?? -1
}

/** What comes first in a turn leaves at once. */
function flushFirst(): void {
  waitsForEnd = true
  atTurnEnd(() => {
    waitsForEnd = false
    flushAll()
  })
  const startedAt = performance.now()
  flushAll()
  useOfTurn(performance.now() - startedAt)
}

function flushAll(): void {
  const connections = unsent
  unsent = []
  for (const connection of connections) connection.flush()
}

function lookAtAll(): void {
  for (const connection of watched) connection.look()
}

function unwatch(connection: Connection): void {
  watched.delete(connection)
  if (watched.size > 0) return
  clearInterval(watch)
  watch = undefined
}
