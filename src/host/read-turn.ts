/**
 * Shares the time for reading among all connections of the process: what comes in on one of them, or on a hundred, must
 * not keep timers, other work and the others' bytes waiting. All stop when a turn of the event loop has spent its time on
 * reading, and go on in the next ones, each in its turn.
 */
import type net from 'node:net'

/** Time of one turn for what was read, in ms; the last chunk may overrun it. */
const turnMs = 5
/** Least and most bytes of one chunk: so many that it takes no longer than {@link chunkMs}, whatever is made of them. */
const leastChunkBytes = 2 * 1024
const mostChunkBytes = 64 * 1024
const chunkMs = 4

/** All that read or want to. */
const readers = new Set<net.Socket>()
/** Those that had their part since all could last read. */
const served = new Set<net.Socket>()
/** Those that may not read now. */
const waiting = new Set<net.Socket>()
let spentMs = 0
let turnEnd: NodeJS.Immediate | undefined

/** Every socket reads into this; a chunk is handled before the next one comes. */
const buffer = new Uint8Array(mostChunkBytes)
let chunk = buffer.subarray(0, leastChunkBytes)

/** For the constructor of a socket. `read` gets each chunk in an array that is overwritten after the call. */
export function readInTurns(socket: () => net.Socket, read: (chunk: Uint8Array) => void): net.OnReadOpts {
  return {
    buffer: () => chunk,
    callback: (length) => {
      const startedAt = performance.now()
      read(buffer.subarray(0, length))
      const tookMs = performance.now() - startedAt
      fitChunk(length, tookMs)
      return goOn(socket(), tookMs)
    },
  }
}

/** The socket reads from now on until it is closed. */
export function startReading(socket: net.Socket): void {
  if (readers.has(socket)) return
  readers.add(socket)
  socket.once('close', () => {
    readers.delete(socket)
    served.delete(socket)
    waiting.delete(socket)
  })
  if (waiting.size > 0) waiting.add(socket)
  else socket.resume()
}

function fitChunk(length: number, tookMs: number): void {
  const size = chunk.length
  if (tookMs > chunkMs && size > leastChunkBytes) chunk = buffer.subarray(0, size / 2)
  else if (2 * tookMs < chunkMs && length === size && size < mostChunkBytes)
    chunk = buffer.subarray(0, 2 * size)
}

function goOn(socket: net.Socket, tookMs: number): boolean {
  served.add(socket)
  turnEnd ??= setImmediate(endTurn)
  spentMs += tookMs
  if (spentMs < turnMs) return true
  for (const reader of readers) {
    reader.pause()
    waiting.add(reader)
  }
  return false
}

/**
 * Those that were served wait until the others leave time in a turn: whom the kernel names first is not known, and would
 * else be served alone. One that is the only one with something to read loses no time by it.
 */
function endTurn(): void {
  turnEnd = undefined
  if (spentMs < turnMs) served.clear()
  spentMs = 0
  for (const reader of waiting) {
    if (served.has(reader)) continue
    waiting.delete(reader)
    reader.resume()
  }
  if (waiting.size > 0) turnEnd = setImmediate(endTurn)
}
