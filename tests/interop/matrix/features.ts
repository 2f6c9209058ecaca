/** The rows of the interop matrix. */
import type { Feature } from './feature.ts'
import { resilienceFeatures } from './resilience.ts'
import { sessionFeatures } from './session.ts'
import { topologyFeatures } from './topology.ts'

export const features: readonly Feature[] = [...sessionFeatures, ...topologyFeatures, ...resilienceFeatures]
