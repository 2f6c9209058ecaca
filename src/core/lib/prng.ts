/**
 * A seeded pseudo-random generator (xoshiro128**, Blackman and Vigna). The core takes its randomness (timer jitter,
 * simulated loss) from one of these, so that a seed repeats a run.
 */
export class Prng {
  #a: number
  #b: number
  #c: number
  #d: number

  /** `seed`: any number; only its low 32 bits count. */
  constructor(seed: number) {
    // splitmix32 spreads neighbouring seeds over the whole state.
    let s = seed | 0
    const next = () => {
      s = (s + 0x9e3779b9) | 0
      let t = s ^ (s >>> 16)
      t = Math.imul(t, 0x21f0aaad)
      t ^= t >>> 15
      t = Math.imul(t, 0x735a2d97)
      return t ^ (t >>> 15)
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next() | 1
  }

  /** 32 random bits as an unsigned integer. */
  u32(): number {
    const product = Math.imul(this.#b, 5)
    const result = Math.imul((product << 7) | (product >>> 25), 9)
    const t = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= t
    this.#d = (this.#d << 11) | (this.#d >>> 21)
    return result >>> 0
  }

  /** In [0, 1). */
  fraction(): number {
    return this.u32() / 0x1_0000_0000
  }

  /** A whole number in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.fraction() * bound)
  }

  /** One of `choices`, which must not be empty. */
  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }
}
