/**
 * Services with a selector → EndpointSlices: one for each IP version of the Service, and more only where a named target
 * port has different numbers in different Pods. (Kubernetes also cuts them at 100 endpoints; here they grow.)
 */
import { canonicalJson, equalJson } from '#core/lib/json.ts'
import { compareText } from '#core/lib/order.ts'
import type { Prng } from '#core/lib/prng.ts'
import { parseAddress, versionOf } from '#core/net/address.ts'
import type { Endpoint, EndpointSlice, Pod, Service } from '#core/schema/kubernetes.ts'
import { namespacedName, selectorMatches } from '#core/schema/object.ts'
import { serviceNameLabel } from '#core/schema/well-known.ts'
import type { WorkloadAction, WorkloadState } from './io.ts'
import { generateName } from './names.ts'
import { isFinished, isReady, isTerminating, podAddresses } from './pod-state.ts'

const managedByLabel = 'endpointslice.kubernetes.io/managed-by'
const managedBy = 'endpointslice-controller.k8s.io'

type Family = 'IPv4' | 'IPv6'
type Content = Pick<EndpointSlice, 'addressType' | 'endpoints' | 'ports'>

/** Also deletes slices whose Service is gone; slices of other managers are left alone. */
export function reconcileEndpointSlices(state: WorkloadState, random: Prng): WorkloadAction[] {
  const actions: WorkloadAction[] = []
  const names = new Set(state.endpointSlices.map(namespacedName))
  const present = Map.groupBy(
    state.endpointSlices.filter(({ metadata }) => metadata.labels?.[managedByLabel] === managedBy),
    ({ metadata: { namespace = 'default', labels } }) => `${namespace}/${labels?.[serviceNameLabel]}`,
  )
  for (const service of state.services) {
    const key = namespacedName(service)
    if (!hasSelector(service) || service.metadata.deletionTimestamp !== undefined) continue
    const slices = present.get(key) ?? []
    present.delete(key)
    const pods = state.pods.filter((pod) => selects(service, pod))
    for (const family of familiesOf(service)) {
      const desired = contentsOf(service, family, pods)
      const existing = slices.filter(({ addressType }) => addressType === family)
      actions.push(...match(service, desired, existing, names, random))
    }
    const unused = slices.filter(({ addressType }) => !familiesOf(service).includes(addressType as Family))
    actions.push(...unused.map((object) => ({ kind: 'delete' as const, object })))
  }
  for (const orphans of present.values())
    actions.push(...orphans.map((object) => ({ kind: 'delete' as const, object })))
  return actions
}

/** Reuses existing slices, those with the same ports first. */
function match(
  service: Service,
  desired: Content[],
  existing: EndpointSlice[],
  names: Set<string>,
  random: Prng,
): WorkloadAction[] {
  const actions: WorkloadAction[] = []
  const left = [...existing]
  const waiting: Content[] = []
  const use = (slice: EndpointSlice, content: Content) => {
    left.splice(left.indexOf(slice), 1)
    const object: EndpointSlice = { ...slice, ...content }
    if (!equalJson(object, slice)) actions.push({ kind: 'update', object })
  }
  for (const content of desired) {
    const same = left.find((slice) => equalJson(slice.ports ?? [], content.ports))
    if (same === undefined) waiting.push(content)
    else use(same, content)
  }
  for (const content of waiting) {
    const any = left[0]
    if (any === undefined) actions.push({ kind: 'create', object: sliceFor(service, content, names, random) })
    else use(any, content)
  }
  actions.push(...left.map((object) => ({ kind: 'delete' as const, object })))
  return actions
}

/** At least one, though it may have no endpoints, so that a Service without Pods is seen to have none. */
function contentsOf(service: Service, family: Family, pods: readonly Pod[]): Content[] {
  const byPorts = new Map<string, Content>()
  for (const pod of [...pods].sort((a, b) => compareText(a.metadata.name, b.metadata.name))) {
    const addresses = podAddresses(pod).filter((text) => familyOf(text) === family)
    if (addresses[0] === undefined) continue
    const ports = portsOf(service, pod)
    const key = canonicalJson(ports)
    const content = byPorts.get(key) ?? { addressType: family, endpoints: [], ports }
    content.endpoints!.push(endpointOf(service, pod, addresses[0]))
    byPorts.set(key, content)
  }
  if (byPorts.size === 0) return [{ addressType: family, endpoints: [], ports: portsOf(service, undefined) }]
  return [...byPorts.values()]
}

function endpointOf(service: Service, pod: Pod, address: string): Endpoint {
  const { name, namespace, uid } = pod.metadata
  const anyState = (service.spec as { publishNotReadyAddresses?: boolean } | undefined)
    ?.publishNotReadyAddresses
  const serving = anyState === true || isReady(pod)
  const terminating = isTerminating(pod)
  return {
    addresses: [address],
    conditions: { ready: anyState === true || (serving && !terminating), serving, terminating },
    ...(pod.spec?.nodeName === undefined ? {} : { nodeName: pod.spec.nodeName }),
    targetRef: {
      kind: 'Pod',
      ...(namespace === undefined ? {} : { namespace }),
      name,
      ...(uid === undefined ? {} : { uid }),
    },
  }
}

/** A target port by a name that the Pod does not have is left out; without a Pod, so are all named ones. */
function portsOf(service: Service, pod: Pod | undefined): NonNullable<EndpointSlice['ports']> {
  return (service.spec?.ports ?? []).flatMap(({ name = '', protocol = 'TCP', port, targetPort = port }) => {
    const number = typeof targetPort === 'number' ? targetPort : namedPort(pod, targetPort, protocol)
    return number === undefined ? [] : [{ name, protocol, port: number }]
  })
}

function namedPort(pod: Pod | undefined, name: string, protocol: string): number | undefined {
  for (const container of pod?.spec?.containers ?? []) {
    for (const port of container.ports ?? []) {
      if (port.name === name && (port.protocol ?? 'TCP') === protocol) return port.containerPort
    }
  }
  return undefined
}

function sliceFor(service: Service, content: Content, names: Set<string>, random: Prng): EndpointSlice {
  const { name, namespace = 'default', uid = '' } = service.metadata
  const unique = generateName(`${namespace}/${name}`, names, random)
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: unique.slice(unique.indexOf('/') + 1),
      namespace,
      generateName: `${name}-`,
      labels: { [serviceNameLabel]: name, [managedByLabel]: managedBy },
      ownerReferences: [
        { apiVersion: 'v1', kind: 'Service', name, uid, controller: true, blockOwnerDeletion: true },
      ],
    },
    ...content,
  }
}

function hasSelector({ spec }: Service): boolean {
  return spec?.type !== 'ExternalName' && Object.keys(spec?.selector ?? {}).length > 0
}

function selects(service: Service, pod: Pod): boolean {
  if (pod.metadata.namespace !== service.metadata.namespace || isFinished(pod)) return false
  return selectorMatches({ matchLabels: service.spec?.selector ?? {} }, pod.metadata.labels ?? {})
}

function familiesOf({ spec }: Service): Family[] {
  if (spec?.ipFamilies !== undefined && spec.ipFamilies.length > 0) return spec.ipFamilies
  const families = (spec?.clusterIPs ?? []).flatMap((text) => familyOf(text) ?? [])
  return families.length > 0 ? families : ['IPv4']
}

function familyOf(text: string): Family | undefined {
  const parsed = parseAddress(text)
  if (!parsed.ok) return undefined
  return versionOf(parsed.value) === 4 ? 'IPv4' : 'IPv6'
}
