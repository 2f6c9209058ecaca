/** One embedded cluster: its store and the resources that it serves. What every verb works on. */
import { rfc3339Seconds } from '#core/lib/time.ts'
import type { Registry } from './registry.ts'
import type { Store } from './store.ts'

export interface Cluster {
  store: Store
  registry: Registry
}

/** The present moment as Kubernetes writes it: RFC 3339 in whole seconds. */
export function timestamp(now = Date.now()): string {
  return rfc3339Seconds(now)
}
