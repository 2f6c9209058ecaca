/** The built-in Kubernetes resources, as far as Herald reads and writes them. */
import type { Condition, KubeObject, LabelSelector } from './object.ts'

export interface Node extends KubeObject {
  kind: 'Node'
  spec?: { podCIDR?: string; podCIDRs?: string[]; unschedulable?: boolean; taints?: Taint[] }
  status?: { addresses?: { type: string; address: string }[]; conditions?: NodeCondition[] }
}

export interface Taint {
  key: string
  value?: string
  effect: string
}

export interface NodeCondition {
  type: string
  status: string
  reason?: string
  message?: string
}

export interface Service extends KubeObject {
  kind: 'Service'
  spec?: ServiceSpec
  status?: { loadBalancer?: { ingress?: LoadBalancerIngress[] }; conditions?: Condition[] }
}

export interface ServiceSpec {
  type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
  clusterIP?: string
  clusterIPs?: string[]
  externalIPs?: string[]
  ipFamilies?: ('IPv4' | 'IPv6')[]
  ipFamilyPolicy?: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack'
  externalTrafficPolicy?: 'Cluster' | 'Local'
  internalTrafficPolicy?: 'Cluster' | 'Local'
  loadBalancerIP?: string
  loadBalancerClass?: string
  allocateLoadBalancerNodePorts?: boolean
  ports?: ServicePort[]
  selector?: Record<string, string>
}

export interface ServicePort {
  name?: string
  protocol?: 'TCP' | 'UDP' | 'SCTP'
  port: number
  targetPort?: number | string
  nodePort?: number
}

export interface LoadBalancerIngress {
  ip?: string
  hostname?: string
  ipMode?: 'VIP' | 'Proxy'
}

/** discovery.k8s.io/v1. */
export interface EndpointSlice extends KubeObject {
  kind: 'EndpointSlice'
  addressType: 'IPv4' | 'IPv6' | 'FQDN'
  endpoints?: Endpoint[]
  ports?: { name?: string; protocol?: string; port?: number }[]
}

export interface Endpoint {
  addresses: string[]
  /** Absent fields mean: ready, serving, not terminating. */
  conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean }
  nodeName?: string
  targetRef?: { kind: string; namespace?: string; name: string; uid?: string }
}

export interface Secret extends KubeObject {
  kind: 'Secret'
  type?: string
  /** Base64. */
  data?: Record<string, string>
}

export interface Namespace extends KubeObject {
  kind: 'Namespace'
}

export interface Pod extends KubeObject {
  kind: 'Pod'
  spec?: { nodeName?: string; containers?: Container[]; [key: string]: unknown }
  status?: {
    phase?: string
    podIP?: string
    podIPs?: { ip: string }[]
    hostIP?: string
    conditions?: {
      type: string
      status: string
      lastTransitionTime?: string
      reason?: string
      message?: string
    }[]
    [key: string]: unknown
  }
}

export interface Container {
  name: string
  image?: string
  ports?: { name?: string; containerPort: number; protocol?: string }[]
  env?: { name: string; value?: string }[]
  [key: string]: unknown
}

/** apps/v1. */
export interface Deployment extends KubeObject {
  kind: 'Deployment'
  spec: {
    replicas?: number
    selector: LabelSelector
    template: {
      metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> }
      spec: Pod['spec']
    }
    [key: string]: unknown
  }
  status?: Record<string, unknown>
}

/** core/v1 Event, as Herald writes it. */
export interface Event extends KubeObject {
  kind: 'Event'
  involvedObject: { apiVersion: string; kind: string; name: string; namespace?: string; uid?: string }
  type: 'Normal' | 'Warning'
  reason: string
  message: string
  count?: number
  firstTimestamp?: string
  lastTimestamp?: string
  source?: { component: string; host?: string }
  reportingComponent?: string
  reportingInstance?: string
}
