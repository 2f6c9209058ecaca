/**
 * The network of a pod: a namespace with one link to its node. Pure: the `ip` lines for both ends. The link is
 * point to point and both ends know each other's link-layer address, so that the first packet waits for no ARP and no
 * neighbour discovery.
 */
import { addressFromInteger, addressToInteger, versionOf, type Address } from '#core/net/address.ts'
import { hostPrefix, networkOf, prefixVersion, type Prefix } from '#core/net/prefix.ts'

/** Locally administered; every link has its own two ends, so that all links may share them. */
const nodeMac = '02:68:65:72:00:01'
const podMac = '02:68:65:72:00:02'

export interface PodLink {
  /** Name of the node's end. */
  device: string
  podNamespace: string
  addresses: readonly Address[]
  /** The node's first addresses in its pod networks: the pods' gateways. */
  gateways: readonly Address[]
}

/** To be run in the node's namespace. */
export function nodeLines({ device, podNamespace, addresses }: PodLink): string[] {
  return [
    `link add ${device} address ${nodeMac} type veth peer name eth0 address ${podMac} netns ${podNamespace}`,
    `link set ${device} up`,
    ...addresses.flatMap((address) => [
      `neighbor replace ${address} lladdr ${podMac} dev ${device} nud permanent`,
      `route replace ${hostPrefix(address)} dev ${device}`,
    ]),
  ]
}

/** To be run in the pod's namespace, after {@link nodeLines}. */
export function podLines({ addresses, gateways }: PodLink): string[] {
  return [
    'link set lo up',
    ...addresses.map(
      (address) => `address add ${hostPrefix(address)} dev eth0${versionOf(address) === 6 ? ' nodad' : ''}`,
    ),
    'link set eth0 up',
    ...gateways.flatMap((gateway) => [
      `neighbor replace ${gateway} lladdr ${nodeMac} dev eth0 nud permanent`,
      `route add ${hostPrefix(gateway)} dev eth0`,
      `route add default via ${gateway} dev eth0 onlink`,
    ]),
  ]
}

/** The node's own address in a pod network: the first after the network's. */
export function podGateway(cidr: Prefix): Address {
  return addressFromInteger(addressToInteger(networkOf(cidr)) + 1n, prefixVersion(cidr))
}

/** Name of the node's end of the link, at most 15 characters: recognizable, and unique by the pod's own random ending. */
export function deviceName(pod: string, taken: ReadonlySet<string>): string {
  const plain = pod.length <= 15 ? pod : `${pod.slice(0, 9).replace(/-$/, '')}-${pod.slice(-5)}`
  // eth0 and its like are the node's links to its networks.
  const usable = (name: string) => !taken.has(name) && !/^(eth\d+|lo)$/.test(name)
  for (let count = 0; ; count++) {
    const candidate = count === 0 ? plain : `${plain.slice(0, 14 - String(count).length)}-${count}`
    if (usable(candidate)) return candidate
  }
}
