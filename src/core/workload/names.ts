/** Generated parts of names, in the alphabet that Kubernetes uses: no vowels, no look-alikes. */
import { canonicalJson } from '#core/lib/json.ts'
import type { Prng } from '#core/lib/prng.ts'

const alphabet = 'bcdfghjklmnpqrstvwxz2456789'

/** `base-xxxxx`, not in `taken`, to which it is added. */
export function generateName(base: string, taken: Set<string>, random: Prng): string {
  for (;;) {
    let name = `${base}-`
    for (let i = 0; i < 5; i++) name += alphabet[random.below(alphabet.length)]!
    if (taken.has(name)) continue
    taken.add(name)
    return name
  }
}

/** Ten digits at most, equal for equal templates (FNV-1a of 32 bits). */
export function templateHash(template: unknown): string {
  let hash = 0x811c9dc5
  for (const char of canonicalJson(template)) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193)
  let digits = ''
  for (const digit of String(hash >>> 0)) digits += alphabet[Number(digit)]!
  return digits
}
