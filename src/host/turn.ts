/**
 * One turn of the event loop: how much of its time connections have used, and what waits for its end. A turn ends when all
 * that was ready has been looked at once.
 */

let usedMs = 0
let end: NodeJS.Immediate | undefined
let waiting: (() => void)[] = []

/** Time that reading and writing have used in this turn, in ms. */
export function usedInTurn(): number {
  return usedMs
}

export function useOfTurn(ms: number): void {
  usedMs += ms
  end ??= setImmediate(endTurn)
}

/** What is asked for at the end of a turn waits for that of the next one. */
export function atTurnEnd(action: () => void): void {
  waiting.push(action)
  end ??= setImmediate(endTurn)
}

function endTurn(): void {
  end = undefined
  usedMs = 0
  const actions = waiting
  waiting = []
  for (const action of actions) action()
}
