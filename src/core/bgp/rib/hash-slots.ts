/** The hash tables of the RIB grow alike: what they look up by differs, how their slots lie does not. */

/**
 * An open-addressing table of twice the size with the same entries. An entry is two words, the hash and the id plus one (0: free);
 * its place is the first free one from `hash & mask` on.
 */
export function doubledSlots(old: Int32Array): Int32Array<ArrayBuffer> {
  const mask = old.length - 1
  const slots = new Int32Array(2 * old.length)
  for (let i = 0; i < old.length; i += 2) {
    if (old[i + 1] === 0) continue
    let slot = old[i]! & mask
    while (slots[2 * slot + 1] !== 0) slot = (slot + 1) & mask
    slots[2 * slot] = old[i]!
    slots[2 * slot + 1] = old[i + 1]!
  }
  return slots
}
