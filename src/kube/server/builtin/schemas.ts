/**
 * The fields that the built-in resources have, as structural schemas: they find misspelt fields and values of the
 * wrong type. Parts that nothing here reads are left open. Ranges and the like are checked in the strategies.
 */
import type { JsonObject } from '../json.ts'

const text: JsonObject = { type: 'string' }
const int: JsonObject = { type: 'integer' }
const flag: JsonObject = { type: 'boolean' }
const portValue: JsonObject = { 'x-kubernetes-int-or-string': true }
/** Any object: its fields are not looked at. */
const open: JsonObject = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
const texts = list(text)
const textMap = mapOf(text)

function list(items: JsonObject): JsonObject {
  return { type: 'array', items }
}

function mapOf(values: JsonObject): JsonObject {
  return { type: 'object', additionalProperties: values }
}

function object(properties: JsonObject): JsonObject {
  return { type: 'object', properties }
}

/** Fields by type: names separated by spaces. */
function named(type: JsonObject, names: string): JsonObject {
  return Object.fromEntries(names.split(' ').map((name) => [name, type]))
}

const labelSelector = object({
  matchLabels: textMap,
  matchExpressions: list(object({ key: text, operator: text, values: texts })),
})
const objectReference = object(named(text, 'kind namespace name uid apiVersion resourceVersion fieldPath'))
const condition = object({
  ...named(
    text,
    'type status lastTransitionTime lastUpdateTime lastProbeTime lastHeartbeatTime reason message',
  ),
  observedGeneration: int,
})
const conditions = list(condition)

const container = object({
  ...named(
    text,
    'name image workingDir imagePullPolicy terminationMessagePath terminationMessagePolicy restartPolicy',
  ),
  ...named(text, 'targetContainerName'),
  ...named(texts, 'command args'),
  ...named(flag, 'stdin stdinOnce tty'),
  ports: list(object({ ...named(text, 'name protocol hostIP'), ...named(int, 'containerPort hostPort') })),
  env: list(object({ name: text, value: text, valueFrom: open })),
  envFrom: list(open),
  ...named(open, 'resources lifecycle livenessProbe readinessProbe startupProbe securityContext'),
  ...named(list(open), 'volumeMounts volumeDevices resizePolicy'),
})

const podSpec = object({
  ...named(text, 'restartPolicy dnsPolicy serviceAccountName serviceAccount nodeName hostname subdomain'),
  ...named(text, 'schedulerName priorityClassName runtimeClassName preemptionPolicy'),
  ...named(int, 'terminationGracePeriodSeconds activeDeadlineSeconds priority'),
  ...named(flag, 'hostNetwork hostPID hostIPC hostUsers shareProcessNamespace setHostnameAsFQDN'),
  ...named(flag, 'automountServiceAccountToken enableServiceLinks'),
  ...named(list(container), 'containers initContainers ephemeralContainers'),
  ...named(open, 'securityContext affinity dnsConfig os overhead resources'),
  ...named(list(open), 'volumes imagePullSecrets tolerations hostAliases readinessGates'),
  ...named(list(open), 'topologySpreadConstraints schedulingGates resourceClaims'),
  nodeSelector: textMap,
})

const podTemplate = object({ metadata: open, spec: podSpec })

export const serviceSchema = object({
  spec: object({
    ...named(text, 'clusterIP type sessionAffinity loadBalancerIP externalName externalTrafficPolicy'),
    ...named(text, 'internalTrafficPolicy ipFamilyPolicy loadBalancerClass trafficDistribution'),
    ...named(texts, 'clusterIPs externalIPs ipFamilies loadBalancerSourceRanges'),
    ...named(flag, 'allocateLoadBalancerNodePorts publishNotReadyAddresses'),
    healthCheckNodePort: int,
    selector: textMap,
    sessionAffinityConfig: object({ clientIP: object({ timeoutSeconds: int }) }),
    ports: list(
      object({
        ...named(text, 'name protocol appProtocol'),
        ...named(int, 'port nodePort'),
        targetPort: portValue,
      }),
    ),
  }),
  status: object({
    conditions,
    loadBalancer: object({
      ingress: list(
        object({
          ...named(text, 'ip hostname ipMode'),
          ports: list(object({ port: int, protocol: text, error: text })),
        }),
      ),
    }),
  }),
})

export const deploymentSchema = object({
  spec: object({
    ...named(int, 'replicas minReadySeconds revisionHistoryLimit progressDeadlineSeconds'),
    paused: flag,
    selector: labelSelector,
    template: podTemplate,
    strategy: object({
      type: text,
      rollingUpdate: object({ maxSurge: portValue, maxUnavailable: portValue }),
    }),
  }),
  status: object({
    ...named(int, 'observedGeneration replicas updatedReplicas readyReplicas availableReplicas'),
    ...named(int, 'unavailableReplicas terminatingReplicas collisionCount'),
    conditions,
  }),
})

export const replicaSetSchema = object({
  spec: object({ ...named(int, 'replicas minReadySeconds'), selector: labelSelector, template: podTemplate }),
  status: object({
    ...named(int, 'observedGeneration replicas fullyLabeledReplicas readyReplicas availableReplicas'),
    terminatingReplicas: int,
    conditions,
  }),
})

export const podSchema = object({ spec: podSpec, status: open })

export const nodeSchema = object({
  spec: object({
    ...named(text, 'podCIDR providerID externalID'),
    podCIDRs: texts,
    unschedulable: flag,
    configSource: open,
    taints: list(object(named(text, 'key value effect timeAdded'))),
  }),
  status: open,
})

export const namespaceSchema = object({
  spec: object({ finalizers: texts }),
  status: object({ phase: text, conditions }),
})

export const configMapSchema = object({ ...named(textMap, 'data binaryData'), immutable: flag })

export const secretSchema = object({ ...named(textMap, 'data stringData'), type: text, immutable: flag })

export const endpointSliceSchema = object({
  addressType: text,
  endpoints: list(
    object({
      addresses: texts,
      conditions: object(named(flag, 'ready serving terminating')),
      ...named(text, 'hostname nodeName zone'),
      deprecatedTopology: textMap,
      targetRef: objectReference,
      hints: open,
    }),
  ),
  ports: list(object({ ...named(text, 'name protocol appProtocol'), port: int })),
})

export const leaseSchema = object({
  spec: object({
    ...named(text, 'holderIdentity acquireTime renewTime strategy preferredHolder'),
    ...named(int, 'leaseDurationSeconds leaseTransitions'),
  }),
})
