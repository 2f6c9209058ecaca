/** Inputs and outputs of the cluster's controller. */
import type { KubeObject } from '#core/schema/object.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'

export interface ControllerConfig {
  /** Dialects to obey beside the native resources: `cilium`. */
  dialects: string[]
}

/** Numbers one write request; never used twice in the life of a process. */
export type RequestId = number

export type ControllerInput =
  /**
   * Complete: every kind has been listed, so what is missing does not exist. Kinds may lag behind each other, but no object
   * ever goes back in time.
   */
  | { kind: 'snapshot'; snapshot: Snapshot }
  /** The write was done; `object` as the API server now has it. */
  | { kind: 'written'; request: RequestId; object: KubeObject }
  /** It was not. `conflict`: the object had changed; `gone`: it was deleted; `unavailable`: try again later. */
  | {
      kind: 'writeFailed'
      request: RequestId
      reason: 'conflict' | 'gone' | 'invalid' | 'unavailable'
      message: string
    }
  | { kind: 'tick' }

export type ControllerOutput =
  /**
   * Merge `status` into the object's status, on condition that its resourceVersion is still that of `object` (a JSON
   * merge patch of the status subresource: null removes a field, lists replace).
   */
  | { kind: 'writeStatus'; request: RequestId; object: KubeObject; status: Record<string, unknown> }
  /** Record an event about the object. Never answered. */
  | { kind: 'recordEvent'; object: KubeObject; type: 'Normal' | 'Warning'; reason: string; message: string }
