/** Orders that do not depend on a locale. */

/** By code units: −1, 0 or 1. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
