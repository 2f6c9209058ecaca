/**
 * Forwarding of Services on one node, as an nftables ruleset in text: the stand-in for a cluster's service proxy until
 * Herald has a data path of its own. Pure; `forwarder.ts` applies it. One table, replaced as a whole.
 *
 *     nat prerouting/output → services → one chain per Service port → DNAT to a random ready endpoint
 *     nat postrouting       → masquerade what was sent to another node, so that the answer comes back through here
 *     filter forward/output → what still bears a VIP: reject a port without endpoints, drop the rest, so that it
 *                             cannot loop between this node and its router
 */
import { compareAddresses, parseAddress, versionOf, type Address, type IpVersion } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import type { EndpointSlice, Service, ServicePort } from '#core/schema/kubernetes.ts'
import { serviceNameLabel } from '#core/schema/well-known.ts'

export interface ForwardingInput {
  node: string
  /** Pod networks of this node: endpoints in them are local. */
  podCIDRs: readonly Prefix[]
  /** Pod networks of the whole cluster: what comes from there is inside. */
  podSubnets: readonly Prefix[]
  serviceSubnets: readonly Prefix[]
  services: readonly Service[]
  endpointSlices: readonly EndpointSlice[]
  /** Addresses that Services had before: dropped, while routers may still send for them. */
  retired: readonly Address[]
}

/** One place that a Service port is reached at. */
interface Frontend {
  key: string
  address: Address
  protocol: string
  port: number
}

interface Backend {
  address: Address
  port: number
}

interface Target {
  chain: string
  version: IpVersion
  /** By which the chain is entered. */
  outside: Frontend[]
  inside: Frontend[]
  nodePort: number | undefined
  protocol: string
  all: Backend[]
  local: Backend[]
  /** externalTrafficPolicy Local: from outside to this node's endpoints only, source address kept. */
  localOnly: boolean
}

const table = 'inet herald-lab'

/** Text for `nft -f`: replaces the table, whether it exists or not. */
export function forwardingRuleset(input: ForwardingInput): string {
  const targets = input.services.flatMap((service) => targetsOf(service, input))
  const vips = new Set(targets.flatMap(({ outside }) => outside.map(({ address }) => address)))
  const dropped = [...new Set([...vips, ...input.retired])]
  return [
    `table ${table} {}`,
    `delete table ${table}`,
    `table ${table} {`,
    ...maps('outside', targets, ({ outside, localOnly, chain, local, all }) =>
      entries(outside, localOnly ? local : all, localOnly ? `${chain}-local` : chain),
    ),
    ...maps('inside', targets, ({ outside, inside, chain, all }) =>
      entries([...inside, ...outside], all, chain),
    ),
    ...nodePortMaps(targets),
    ...unservedSets(targets),
    ...addressSets(dropped),
    ...targets.flatMap(targetChains),
    ...dispatch(input),
    '}',
    '',
  ].join('\n')
}

function targetsOf(service: Service, input: ForwardingInput): Target[] {
  const { spec } = service
  if (spec === undefined || spec.type === 'ExternalName') return []
  const slices = input.endpointSlices.filter(
    ({ metadata }) =>
      metadata.namespace === service.metadata.namespace &&
      metadata.labels?.[serviceNameLabel] === service.metadata.name,
  )
  const clusterIPs = addresses([spec.clusterIP, ...(spec.clusterIPs ?? [])])
  const outside = addresses([
    ...(spec.externalIPs ?? []),
    ...(spec.type === 'LoadBalancer'
      ? (service.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip)
      : []),
  ])
  const versions = ([4, 6] as const).filter((version) =>
    [...clusterIPs, ...outside].some((address) => versionOf(address) === version),
  )
  return versions.flatMap((version) =>
    (spec.ports ?? []).map((port): Target => {
      const protocol = (port.protocol ?? 'TCP').toLowerCase()
      const frontends = (list: Address[]) =>
        list
          .filter((address) => versionOf(address) === version)
          .map((address) => ({
            key: `${address} . ${protocol} . ${port.port}`,
            address,
            protocol,
            port: port.port,
          }))
      const ready = backends(slices, port, version)
      return {
        chain: `s-${service.metadata.namespace}-${service.metadata.name}-${port.port}-${protocol}-${version}`,
        version,
        outside: frontends(outside),
        inside: frontends(clusterIPs),
        nodePort: port.nodePort,
        protocol,
        all: ready.map(({ backend }) => backend),
        local: ready.filter(({ node }) => node === input.node).map(({ backend }) => backend),
        localOnly: spec.externalTrafficPolicy === 'Local',
      }
    }),
  )
}

/** Ready endpoints of one Service port, sorted, so that the same state gives the same text. */
function backends(
  slices: readonly EndpointSlice[],
  port: ServicePort,
  version: IpVersion,
): { backend: Backend; node: string | undefined }[] {
  const found = new Map<string, { backend: Backend; node: string | undefined }>()
  for (const slice of slices) {
    if (slice.addressType !== `IPv${version}`) continue
    const target = slice.ports?.find(({ name }) => (name ?? '') === (port.name ?? ''))?.port
    if (target === undefined) continue
    for (const endpoint of slice.endpoints ?? []) {
      if (endpoint.conditions?.ready === false) continue
      for (const address of addresses(endpoint.addresses))
        found.set(address, { backend: { address, port: target }, node: endpoint.nodeName })
    }
  }
  return [...found.values()].toSorted((a, b) => compareAddresses(a.backend.address, b.backend.address))
}

function addresses(texts: readonly (string | undefined)[]): Address[] {
  const parsed = texts.flatMap((text) => {
    // A headless Service's cluster IP is the word None.
    const result = text === undefined ? undefined : parseAddress(text)
    return result?.ok ? [result.value] : []
  })
  return [...new Set(parsed)]
}

/** Elements of a verdict map; none for a port without backends, which is rejected elsewhere. */
function entries(frontends: readonly Frontend[], to: readonly Backend[], chain: string): string[] {
  return to.length === 0 ? [] : frontends.map(({ key }) => `${key} : goto ${chain}`)
}

function maps(name: string, targets: readonly Target[], elementsOf: (target: Target) => string[]): string[] {
  return ([4, 6] as const).flatMap((version) => {
    const elements = unique(targets.filter((target) => target.version === version).flatMap(elementsOf))
    return definition(
      `map ${name}${version}`,
      `ipv${version}_addr . inet_proto . inet_service : verdict`,
      elements,
    )
  })
}

function nodePortMaps(targets: readonly Target[]): string[] {
  return ([4, 6] as const).flatMap((version) => {
    const elements = targets.flatMap((target) => {
      const to = target.localOnly ? target.local : target.all
      if (target.version !== version || target.nodePort === undefined || to.length === 0) return []
      const chain = target.localOnly ? `${target.chain}-local` : target.chain
      return [`${target.protocol} . ${target.nodePort} : goto ${chain}`]
    })
    return definition(`map node-ports${version}`, 'inet_proto . inet_service : verdict', unique(elements))
  })
}

/** Frontends that no endpoint serves anywhere: refused at once, as kube-proxy does, instead of left to time out. */
function unservedSets(targets: readonly Target[]): string[] {
  return ([4, 6] as const).flatMap((version) => {
    const elements = targets
      .filter((target) => target.version === version && target.all.length === 0)
      .flatMap(({ inside, outside }) => [...inside, ...outside].map(({ key }) => key))
    const type = `ipv${version}_addr . inet_proto . inet_service`
    return definition(`set unserved${version}`, type, unique(elements))
  })
}

function addressSets(vips: readonly Address[]): string[] {
  return ([4, 6] as const).flatMap((version) => {
    const elements = vips.filter((address) => versionOf(address) === version).toSorted(compareAddresses)
    return definition(`set vips${version}`, `ipv${version}_addr`, elements)
  })
}

function definition(head: string, type: string, elements: readonly string[]): string[] {
  const list = elements.length === 0 ? [] : [`    elements = { ${elements.join(', ')} }`]
  return [`  ${head} {`, `    type ${type}`, ...list, '  }']
}

/** Two Services may share a frontend (an external IP): the first keeps it. */
function unique(elements: readonly string[]): string[] {
  const seen = new Set<string>()
  return elements.filter((element) => {
    const key = element.split(' : ')[0]!
    return seen.has(key) ? false : seen.add(key) !== undefined
  })
}

function targetChains({ chain, version, protocol, all, local, localOnly }: Target): string[] {
  return [
    ...(all.length > 0 ? dnatChain(chain, version, protocol, all) : []),
    ...(localOnly && local.length > 0 ? dnatChain(`${chain}-local`, version, protocol, local) : []),
  ]
}

function dnatChain(chain: string, version: IpVersion, protocol: string, to: readonly Backend[]): string[] {
  const choices = to.map(({ address, port }, index) => `${index} : ${address} . ${port}`)
  const family = version === 4 ? 'ip' : 'ip6'
  return [
    `  chain ${chain} {`,
    `    meta l4proto ${protocol} dnat ${family} to numgen random mod ${to.length} map { ${choices.join(', ')} }`,
    '  }',
  ]
}

function dispatch({ podCIDRs, podSubnets, serviceSubnets }: ForwardingInput): string[] {
  const perVersion = ([4, 6] as const).map((version) => {
    const of = (prefixes: readonly Prefix[]) =>
      prefixes.filter((prefix) => prefix.includes(':') === (version === 6))
    return {
      version,
      family: version === 4 ? 'ip' : 'ip6',
      pods: of(podSubnets),
      own: of(podCIDRs),
      services: of(serviceSubnets),
    }
  })
  const to = (name: string, version: IpVersion, family: string) =>
    `${family} daddr . meta l4proto . th dport vmap @${name}${version}`
  const lines = (make: (each: (typeof perVersion)[number]) => string[]) =>
    perVersion.flatMap(make).map((line) => `    ${line}`)
  return [
    '  chain prerouting {',
    '    type nat hook prerouting priority dstnat; policy accept;',
    ...lines(({ version, family, pods }) => [
      ...(pods.length === 0
        ? []
        : [`${family} saddr { ${pods.join(', ')} } ${to('inside', version, family)}`]),
      to('outside', version, family),
      `meta nfproto ipv${version} fib daddr type local meta l4proto . th dport vmap @node-ports${version}`,
    ]),
    '  }',
    '  chain output {',
    '    type nat hook output priority -100; policy accept;',
    ...lines(({ version, family }) => [to('inside', version, family)]),
    '  }',
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    ...lines(({ family, own }) =>
      own.length === 0
        ? []
        : // To another node's pod: its answer must come back here to be translated back.
          [`ct status dnat ${family} daddr != { ${own.join(', ')} } masquerade`],
    ),
    ...lines(({ family, own }) =>
      own.length === 0
        ? []
        : // A pod that reaches itself, or its neighbour on this node, by a Service.
          [
            `ct status dnat ${family} saddr { ${own.join(', ')} } ${family} daddr { ${own.join(', ')} } masquerade`,
          ],
    ),
    '  }',
    '  chain guard {',
    ...lines(({ version, family, services }) => [
      `${family} daddr . meta l4proto . th dport @unserved${version} meta l4proto tcp reject with tcp reset`,
      `${family} daddr . meta l4proto . th dport @unserved${version} reject`,
      `${family} daddr @vips${version} drop`,
      ...(services.length === 0 ? [] : [`${family} daddr { ${services.join(', ')} } drop`]),
    ]),
    '  }',
    '  chain forward {',
    '    type filter hook forward priority filter; policy accept;',
    '    jump guard',
    '  }',
    '  chain local-output {',
    '    type filter hook output priority filter; policy accept;',
    '    jump guard',
    '  }',
  ]
}
