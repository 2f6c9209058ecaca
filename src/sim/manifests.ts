/** Objects that scenarios apply, as short as a test wants to say them. */
import type { Prefix } from '#core/net/prefix.ts'
import type { KubeObject, LabelSelector } from '#core/schema/object.ts'

export function deployment(
  name: string,
  replicas: number,
  labels: Record<string, string> = { app: name },
): KubeObject {
  const template = {
    metadata: { labels },
    spec: { containers: [{ name, image: name, ports: [{ containerPort: 80 }] }] },
  }
  return object(
    'apps/v1',
    'Deployment',
    name,
    { replicas, selector: { matchLabels: labels }, template },
    {},
    labels,
  )
}

/** `kubectl expose deployment NAME --type=LoadBalancer --port=80 --labels app=NAME`, with more of the spec. */
export function loadBalancer(
  name: string,
  spec: Record<string, unknown> = {},
  labels: Record<string, string> = { app: name },
): KubeObject {
  const usual = {
    type: 'LoadBalancer',
    selector: labels,
    ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }],
  }
  return object('v1', 'Service', name, { ...usual, ...spec }, {}, labels)
}

export function pool(name: string, ...cidrs: Prefix[]): KubeObject {
  const spec = { cidrs: cidrs.map((cidr) => ({ cidr })) }
  return clusterObject('cilium.io/v2alpha1', 'CiliumLoadBalancerIPPool', name, spec)
}

export interface PolicySpec {
  nodeSelector?: LabelSelector
  virtualRouters: {
    localASN: number
    exportPodCIDR?: boolean
    serviceSelector?: LabelSelector
    neighbors: { peerASN: number; peerAddress: string; [field: string]: unknown }[]
  }[]
}

export function peeringPolicy(name: string, spec: PolicySpec): KubeObject {
  return clusterObject('cilium.io/v2alpha1', 'CiliumBGPPeeringPolicy', name, spec)
}

/** Selects every Service. */
export const everyService: LabelSelector = {
  matchExpressions: [{ key: 'herald-never', operator: 'NotIn', values: ['never'] }],
}

function object(
  apiVersion: string,
  kind: string,
  name: string,
  spec: unknown,
  annotations: Record<string, string>,
  labels: Record<string, string>,
): KubeObject {
  const made = { apiVersion, kind, metadata: { name, namespace: 'default', labels, annotations }, spec }
  return made
}

function clusterObject(apiVersion: string, kind: string, name: string, spec: unknown): KubeObject {
  const made = { apiVersion, kind, metadata: { name }, spec }
  return made
}
