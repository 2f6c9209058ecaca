/** Keeps the forwarding rules of all nodes of a cluster as its Services and EndpointSlices ask for. */
import { compareAddresses, parseAddress, type Address } from '#core/net/address.ts'
import type { EndpointSlice, Service } from '#core/schema/kubernetes.ts'
import type { KubeClient } from '#kube/client/client.ts'
import { Reflector } from '#kube/client/reflector.ts'
import { resourceTypes, type ResourceType } from '#kube/client/resource.ts'
import { forwardingRuleset } from './forwarding.ts'
import { runInside } from './namespaces.ts'
import type { ClusterTopology } from './topology.ts'
import { SingleTask } from './single-task.ts'
import { namespaceName } from './wiring.ts'

export interface ForwarderOptions {
  lab: string
  cluster: ClusterTopology
  client: KubeClient
  warn: (message: string) => void
}

/** `nft` takes some tens of milliseconds of a core per node; a burst of changes must not take it from the speakers. */
const pauseMs = 100

export class Forwarder {
  readonly #options: ForwarderOptions
  readonly #services: Reflector
  readonly #slices: Reflector
  /** Every address that a Service had since the lab started. */
  readonly #seen = new Set<Address>()
  /** Node → ruleset in force. */
  readonly #applied = new Map<string, string>()
  readonly #task = new SingleTask(() => this.#apply(), pauseMs)

  constructor(options: ForwarderOptions) {
    this.#options = options
    const reflect = (type: ResourceType) =>
      new Reflector({ client: options.client, type, changed: () => this.#schedule() })
    this.#services = reflect(resourceTypes.services)
    this.#slices = reflect(resourceTypes.endpointSlices)
  }

  start(): void {
    this.#services.start()
    this.#slices.start()
  }

  /** Resolves when no `nft` is running any more. The rules go with their namespaces. */
  async stop(): Promise<void> {
    this.#services.stop()
    this.#slices.stop()
    await this.#task.stop()
  }

  #schedule(): void {
    if (this.#services.synced && this.#slices.synced) this.#task.request()
  }

  async #apply(): Promise<void> {
    const { lab, cluster, warn } = this.#options
    const services = ([...this.#services.objects.values()] as Service[]).toSorted(compareByAge)
    const endpointSlices = [...this.#slices.objects.values()] as EndpointSlice[]
    const current = new Set(services.flatMap(ingressAddresses))
    for (const address of current) this.#seen.add(address)
    const retired = [...this.#seen].filter((address) => !current.has(address)).toSorted(compareAddresses)
    const { podSubnets, serviceSubnets } = cluster
    await Promise.all(
      Object.entries(cluster.nodes).map(async ([node, { podCIDRs }]) => {
        const own = { node, podCIDRs, podSubnets, serviceSubnets }
        const ruleset = forwardingRuleset({ ...own, services, endpointSlices, retired })
        if (this.#applied.get(node) === ruleset) return
        const { code, output } = await runInside(namespaceName(lab, node), 'nft', ['-f', '-'], ruleset)
        if (code === 0) this.#applied.set(node, ruleset)
        else if (!this.#task.stopped) warn(`nft refuses the rules of ${node}: ${output.trim()}`)
      }),
    )
  }
}

function compareByAge(a: Service, b: Service): number {
  const key = ({ metadata }: Service) =>
    `${metadata.creationTimestamp ?? ''} ${metadata.namespace ?? ''}/${metadata.name}`
  return key(a) < key(b) ? -1 : 1
}

function ingressAddresses(service: Service): Address[] {
  return (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => {
    const parsed = ip === undefined ? undefined : parseAddress(ip)
    return parsed?.ok ? [parsed.value] : []
  })
}
