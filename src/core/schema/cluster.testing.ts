/** Objects of a small cluster for tests: every helper gives a whole object, with what the test says over the defaults. */
import type { EndpointSlice, Node, Secret, Service, ServiceSpec } from './kubernetes.ts'
import type { KubeObject, ObjectMeta } from './object.ts'
import { emptySnapshot, type Snapshot } from './snapshot.ts'
import { heraldApiVersion, osLabel, serviceNameLabel } from './well-known.ts'

export function snapshotOf(parts: Partial<Snapshot>): Snapshot {
  return { ...emptySnapshot, ...parts }
}

export function nodeOf(
  name: string,
  { addresses = [] as string[], podCIDRs = [] as string[], ...metadata }: NodeParts = {},
): Node {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, ...metadata, labels: { [osLabel]: 'linux', ...metadata.labels } },
    spec: { ...(podCIDRs[0] !== undefined && { podCIDR: podCIDRs[0] }), podCIDRs },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  }
}

type NodeParts = Partial<ObjectMeta> & { addresses?: string[]; podCIDRs?: string[] }

export function serviceOf(
  name: string,
  ips: string[],
  spec: ServiceSpec = {},
  metadata: Partial<ObjectMeta> = {},
): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', labels: { app: name }, ...metadata, name },
    spec: { type: 'LoadBalancer', ...spec },
    status: { loadBalancer: { ingress: ips.map((ip) => ({ ip })) } },
  }
}

/** `endpoints`: node names; a leading `!` makes one not ready, a leading `~` terminating. */
export function sliceOf(service: string, addressType: 'IPv4' | 'IPv6', endpoints: string[]): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: 'default',
      name: `${service}-${addressType.toLowerCase()}`,
      labels: { [serviceNameLabel]: service },
    },
    addressType,
    endpoints: endpoints.map((text, i) => ({
      addresses: [addressType === 'IPv4' ? `10.241.0.${i + 1}` : `fd00:241::${i + 1}`],
      nodeName: text.replace(/^[!~]/, ''),
      conditions: { ready: !text.startsWith('!'), terminating: text.startsWith('~') },
    })),
  }
}

export function secretOf(namespace: string, name: string, data: Record<string, string>): Secret {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, data }
}

/** A custom resource of these tests; `age` 0 is the oldest. */
export function customOf(
  apiVersion: string,
  kind: string,
  name: string,
  spec: unknown,
  { age = 0, ...metadata }: Partial<ObjectMeta> & { age?: number } = {},
): KubeObject {
  const creationTimestamp = `2026-01-01T00:00:${String(age).padStart(2, '0')}Z`
  return { apiVersion, kind, metadata: { creationTimestamp, ...metadata, name }, spec } as KubeObject
}

export function policyOf(name: string, spec: unknown, metadata?: Partial<ObjectMeta> & { age?: number }) {
  return customOf('cilium.io/v2alpha1', 'CiliumBGPPeeringPolicy', name, spec, metadata)
}

export function ciliumPoolOf(name: string, spec: unknown, metadata?: Partial<ObjectMeta> & { age?: number }) {
  return customOf('cilium.io/v2alpha1', 'CiliumLoadBalancerIPPool', name, spec, metadata)
}

export function nativeOf(
  kind: string,
  name: string,
  spec: unknown,
  metadata?: Partial<ObjectMeta> & { age?: number },
) {
  return customOf(heraldApiVersion, kind, name, spec, metadata)
}
