/**
 * One turn of the event loop: how much of its time connections have used, and what waits for its end. A turn ends when all
 * that was ready has been looked at once.
 */

let usedMs = 0
let end: NodeJS.Immediate | undefined
let waiting: (() => void)[] = []

/** Time that reading, and writing meanwhile, have used in this turn, in ms. */
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

/** What is done at the end still counts to this turn. */
function endTurn(): void {
  const actions = waiting
  waiting = []
  for (const action of actions) action()
  usedMs = 0
  end = waiting.length > 0 ? setImmediate(endTurn) : undefined
}
