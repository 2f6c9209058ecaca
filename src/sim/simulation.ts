/**
 * A whole site on one virtual clock: a cluster with its nodes' speakers, its controller and its workloads, and the routers
 * beside it. Everything random comes from one seed.
 */
import type { Family } from '#core/bgp/family.ts'
import { Prng } from '#core/lib/prng.ts'
import { versionOf, type Address } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { Taint } from '#core/schema/kubernetes.ts'
import type { KubeObject } from '#core/schema/object.ts'
import { hostnameLabel, osLabel } from '#core/schema/well-known.ts'
import { VirtualClock } from './clock.ts'
import { Cluster } from './cluster.ts'
import { ControllerHost } from './controller-host.ts'
import { Network, type LinkQuality } from './network.ts'
import { SimulatedRouter, type RouterNeighbour } from './router.ts'
import { serviceDefaults } from './service-defaults.ts'
import { SpeakerHost } from './speaker-host.ts'
import { SimulatedTcp } from './tcp.ts'
import { Workloads } from './workloads.ts'

export interface SiteFacts {
  dialects: string[]
  nodes: NodeFacts[]
  serviceSubnets: Prefix[]
  routers: RouterFacts[]
}

export interface NodeFacts {
  name: string
  /** The first of each IP version is the node's InternalIP. */
  addresses: Address[]
  podCIDRs: Prefix[]
  labels: Record<string, string>
  taints?: Taint[]
}

export interface RouterFacts {
  name: string
  addresses: Address[]
  asn: number
  routerId: Address
  /** `families` absent: both. */
  neighbors: { address: Address; asn: number; password?: string; families?: Family[] }[]
}

/** Ranges in milliseconds, from and below. */
export interface Delays {
  /** A change until a watch shows it. */
  watch: readonly [number, number]
  /** One way of a write request. */
  write: readonly [number, number]
  /** A pod until it is ready. */
  ready: readonly [number, number]
}

export const usualDelays: Delays = { watch: [1, 20], write: [1, 10], ready: [500, 2_000] }

export interface SimulationOptions {
  seed: number
  site: SiteFacts
  delays?: Delays
  /** Of every link. */
  link?: Partial<LinkQuality>
  /** Virtual time at the start, milliseconds since 1970. */
  start?: number
}

export class Simulation {
  readonly clock: VirtualClock
  readonly random: Prng
  readonly site: SiteFacts
  readonly network: Network
  readonly tcp: SimulatedTcp
  readonly cluster: Cluster
  readonly workloads: Workloads
  readonly speakers = new Map<string, SpeakerHost>()
  readonly controller: ControllerHost
  readonly routers = new Map<string, SimulatedRouter>()

  constructor({
    seed,
    site,
    delays = usualDelays,
    link = {},
    start = Date.UTC(2026, 0, 1),
  }: SimulationOptions) {
    this.site = site
    this.clock = new VirtualClock(start)
    this.random = new Prng(seed)
    this.network = new Network(this.clock, new Prng(this.random.u32()))
    this.tcp = new SimulatedTcp(this.network)
    this.cluster = new Cluster(this.clock, serviceDefaults(site.serviceSubnets))
    const within = ([from, below]: readonly [number, number]) =>
      from + this.random.fraction() * (below - from)
    const watchDelayMs = () => within(delays.watch)
    const { cluster, tcp } = this
    this.cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } })
    for (const node of site.nodes) {
      const { name } = node
      const host = this.network.addHost(name, node.addresses)
      const { dialects } = site
      const seed = this.random.u32()
      this.cluster.apply(nodeObject(node))
      this.speakers.set(name, new SpeakerHost({ host, cluster, tcp, dialects, seed, watchDelayMs }))
    }
    for (const { name, addresses, neighbors, ...identity } of site.routers) {
      const host = this.network.addHost(name, addresses)
      const config = { ...identity, neighbours: namedNeighbours(site, neighbors) }
      this.routers.set(name, new SimulatedRouter(this.clock, tcp, host, config, this.random.u32()))
    }
    for (const a of this.network.hosts()) {
      for (const b of this.network.hosts()) if (a.name < b.name) this.network.setLink(a, b, link)
    }
    this.workloads = new Workloads({
      cluster,
      random: new Prng(this.random.u32()),
      readyDelayMs: () => within(delays.ready),
      watchDelayMs,
    })
    this.controller = new ControllerHost({
      cluster,
      dialects: site.dialects,
      watchDelayMs,
      writeDelayMs: () => within(delays.write),
    })
  }

  /** Starts everything. */
  start(): void {
    this.workloads.start()
    this.controller.start()
    for (const router of this.routers.values()) router.start()
    for (const speaker of this.speakers.values()) speaker.start()
  }

  /** As a user with kubectl, whose context is the namespace `default`. */
  apply(...objects: KubeObject[]): void {
    for (const object of objects) {
      const { namespace = 'default', ...metadata } = object.metadata
      const scoped = namespaced.has(object.kind)
        ? { ...object, metadata: { ...metadata, namespace } }
        : object
      this.cluster.apply(scoped)
    }
  }
}

/** Kinds of Kubernetes' own that live in namespaces. All kinds of Herald and Cilium that the simulator knows do not. */
const namespaced = new Set(['ConfigMap', 'Deployment', 'EndpointSlice', 'Pod', 'Secret', 'Service'])

/** Named after the node; a second session with one node after node and address; others after the address. */
function namedNeighbours({ nodes }: SiteFacts, neighbors: RouterFacts['neighbors']): RouterNeighbour[] {
  const used = new Set<string>()
  return neighbors.map((neighbor) => {
    const { address } = neighbor
    const node = nodes.find(({ addresses }) => addresses.includes(address))?.name
    const name = node === undefined ? address : used.has(node) ? `${node} ${address}` : node
    used.add(name)
    return { ...neighbor, name }
  })
}

function nodeObject({ name, addresses, podCIDRs, labels, taints }: NodeFacts): KubeObject {
  const internal = [4, 6].flatMap((version) => {
    const address = addresses.find((each) => versionOf(each) === version)
    return address === undefined ? [] : [{ type: 'InternalIP', address }]
  })
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: { [osLabel]: 'linux', [hostnameLabel]: name, ...labels },
    },
    spec: { podCIDR: podCIDRs[0], podCIDRs, taints },
    status: {
      addresses: [...internal, { type: 'Hostname', address: name }],
      conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
    },
  }
  return node
}
