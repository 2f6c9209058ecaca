/**
 * Shares the time for reading among all connections of the process: what comes in on one of them, or on a hundred, must
 * not keep timers, other work and the others' bytes waiting. When a turn of the event loop has spent its time on reading,
 * what else was read in it waits for its turn in the next ones, and its socket reads no more until then.
 */
import type net from 'node:net'
import { atTurnEnd, usedInTurn, useOfTurn } from './turn.ts'

/** Time of one turn for what was read and what was written meanwhile, in ms; the last chunk may overrun it. */
const turnMs = 4
/** Least and most bytes of one chunk: so many that it takes no longer than {@link chunkMs}, whatever is made of them. */
const leastChunkBytes = 2 * 1024
const mostChunkBytes = 64 * 1024
const chunkMs = 2.5

type Read = (bytes: Uint8Array) => void

/** What was read and could not be handled in its turn, the oldest first. Its sockets read no more: each is here once. */
const late: { socket: net.Socket; read: Read; bytes: Uint8Array }[] = []
/** Those that read no more in this turn and have nothing waiting. */
let resting: net.Socket[] = []
let endAsked = false

/** Every socket reads into this; a chunk is copied before the next one comes. */
const buffer = new Uint8Array(mostChunkBytes)
let chunk = buffer.subarray(0, leastChunkBytes)

/** For the constructor of a socket. `read` gets each chunk in an array of its own. */
export function readInTurns(socket: () => net.Socket, read: Read): net.OnReadOpts {
  return {
    buffer: () => chunk,
    callback: (length) => {
      // The receiver may keep what it gets.
      const bytes = buffer.slice(0, length)
      if (late.length > 0 || usedInTurn() >= turnMs) {
        late.push({ socket: socket(), read, bytes })
        askForEnd()
        return false
      }
      handle(read, bytes)
      if (usedInTurn() < turnMs) return true
      resting.push(socket())
      askForEnd()
      return false
    },
  }
}

function handle(read: Read, bytes: Uint8Array): void {
  const { length } = bytes
  const startedAt = performance.now()
  read(bytes)
  const tookMs = performance.now() - startedAt
  useOfTurn(tookMs)
  const size = chunk.length
  if (tookMs > chunkMs && size > leastChunkBytes) chunk = buffer.subarray(0, size / 2)
  else if (2 * tookMs < chunkMs && length === size && size < mostChunkBytes)
    chunk = buffer.subarray(0, 2 * size)
}

/** What is late comes before what is read next. */
function endTurn(): void {
  endAsked = false
  while (late.length > 0 && usedInTurn() < turnMs) {
    const { socket, read, bytes } = late.shift()!
    handle(read, bytes)
    socket.resume()
  }
  const rested = resting
  resting = []
  for (const socket of rested) socket.resume()
  if (late.length > 0) askForEnd()
}

function askForEnd(): void {
  if (endAsked) return
  endAsked = true
  atTurnEnd(endTurn)
}
