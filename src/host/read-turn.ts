/**
 * Shares the time for what comes in among all connections of the process: bytes or the end of one of them, or of a hundred,
 * must not keep timers, other work and the others' bytes waiting. When a turn of the event loop has spent its time on it,
 * what else came in it waits for its turn in the next ones, and a socket that was read reads no more until then.
 */
import type net from 'node:net'
import { atTurnEnd, usedInTurn, useOfTurn } from './turn.ts'

/** Time of one turn for what was read and what was written meanwhile, in ms; the last chunk may overrun it. */
const turnMs = 3
/** Least and most bytes of one chunk: so many that it takes no longer than {@link chunkMs}, whatever is made of them. */
const leastChunkBytes = 2 * 1024
const mostChunkBytes = 16 * 1024
const chunkMs = 2

type Read = (bytes: Uint8Array) => void

/** What came in and could not be handled in its turn, the oldest first. */
const late: (() => void)[] = []
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
      if (isOver()) {
        const rests = socket()
        wait(() => {
          handle(read, bytes)
          rests.resume()
        })
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

/** Does what the end of a connection asks for, now or in its turn. */
export function endInTurn(action: () => void): void {
  if (isOver()) wait(() => timed(action))
  else timed(action)
}

/** Whether this turn has no time left for what comes in. */
function isOver(): boolean {
  return late.length > 0 || usedInTurn() >= turnMs
}

function wait(action: () => void): void {
  late.push(action)
  askForEnd()
}

function timed(action: () => void): number {
  const startedAt = performance.now()
  action()
  const tookMs = performance.now() - startedAt
  useOfTurn(tookMs)
  return tookMs
}

function handle(read: Read, bytes: Uint8Array): void {
  const { length } = bytes
  const tookMs = timed(() => read(bytes))
  const size = chunk.length
  if (tookMs > chunkMs && size > leastChunkBytes) chunk = buffer.subarray(0, size / 2)
  else if (2 * tookMs < chunkMs && length === size && size < mostChunkBytes)
    chunk = buffer.subarray(0, 2 * size)
}

/** What is late comes before what is read next. */
function endTurn(): void {
  endAsked = false
  while (late.length > 0 && usedInTurn() < turnMs) late.shift()!()
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
