/**
 * What rules and policies make of a route. Most of them look at the attribute set and the neighbour alone, so the RIB asks
 * once per (neighbour group, attribute set) and remembers; where the prefix matters the outcome is a choice that is made per
 * prefix, between outcomes that are worked out when they are first needed.
 */
import type { PathAttributes } from '../attributes.ts'

export type Outcome =
  /** `attributes` with the next hop that it is to have. The same object as came in: nothing was changed. */
  | { kind: 'accept'; attributes: PathAttributes }
  /** `reason` is for people: the rule with its RFC and section, or the policy and its statement. */
  | { kind: 'reject'; reason: string }
  | { kind: 'choice'; test: PrefixTest; yes: () => Outcome; no: () => Outcome }

/** A test of the prefix. Equal objects are the same test: whoever makes outcomes makes one object per test. */
export interface PrefixTest {
  /** `nlri`: the wire form starting at `at`; `originAsn`: of the path that came in, 0 for none (RFC 6811 §2). */
  matches(nlri: Uint8Array, at: number, originAsn: number): boolean
  /** Whether the answer depends on validated origins, so that it changes with them. */
  readonly rpki: boolean
}
