/** What the parts of planning share: what a plan is made of, and where they leave what they find. */
import type { Derived, NativeSet } from '#core/dialect/native-set.ts'
import type { Problem } from '#core/lib/reason.ts'
import type { BGPInstance } from '#core/schema/bgp-instance.ts'
import type { Node } from '#core/schema/kubernetes.ts'
import type { Snapshot } from '#core/schema/snapshot.ts'
import type { ServiceView } from './service-view.ts'

/** What the plan of an instance is made of. It adds to `problems` and, for its listening port, to `ports`. */
export interface PlanContext {
  set: NativeSet
  snapshot: Snapshot
  node: Node
  services: readonly ServiceView[]
  problems: Problem[]
  ports: Map<number, Derived<BGPInstance>>
}
