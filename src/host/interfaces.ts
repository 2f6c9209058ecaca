/** What the machine's network interfaces say about an address. Interfaces as `os.networkInterfaces()` gives them. */
import type { NetworkInterfaceInfo } from 'node:os'
import { covers, parsePrefix } from '#core/net/prefix.ts'
import { addressBytes, isLinkLocal, parseAddress, versionOf, type Address } from '#core/net/address.ts'

export type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>

/** An address without the zone that Node appends to link-local ones (`fe80::1%eth0`), and an IPv4-mapped one as IPv4. */
export function parseSocketAddress(text: string): { address: Address; zone?: string } | undefined {
  const [bare = '', zone] = text.split('%')
  const parsed = parseAddress(bare.startsWith('::ffff:') && bare.includes('.') ? bare.slice(7) : bare)
  if (!parsed.ok) return undefined
  return zone === undefined ? { address: parsed.value } : { address: parsed.value, zone }
}

/** Name of the interface that has the address. Link-local ones may be on several; then the one called `zone`. */
export function interfaceOf(interfaces: Interfaces, address: Address, zone?: string): string | undefined {
  for (const [name, entries] of Object.entries(interfaces)) {
    if (zone !== undefined && zone !== name) continue
    if (entries?.some((entry) => parseSocketAddress(entry.address)?.address === address)) return name
  }
  return undefined
}

/** The first address of the other IP version beside `local` on its interface, link-local ones left out. */
export function addressOfOtherVersion(
  interfaces: Interfaces,
  local: Address,
  zone?: string,
): Address | undefined {
  const name = interfaceOf(interfaces, local, zone)
  if (name === undefined) return undefined
  for (const entry of interfaces[name] ?? []) {
    const found = parseSocketAddress(entry.address)?.address
    if (found === undefined || versionOf(found) === versionOf(local)) continue
    if (!isLinkLocal(found) && !isUnspecified(found)) return found
  }
  return undefined
}

/** The link-local address on the interface where `local` and `remote` share a subnet; of host routes and loopbacks none. */
export function linkLocalBeside(
  interfaces: Interfaces,
  local: Address,
  remote: Address,
): Address | undefined {
  for (const entries of Object.values(interfaces)) {
    const mine = entries?.find((entry) => parseSocketAddress(entry.address)?.address === local)
    if (mine?.cidr == null || mine.internal || isLinkLocal(local)) continue
    const subnet = parsePrefix(mine.cidr)
    if (!subnet.ok || !covers(subnet.value, remote)) continue
    const found = entries!.map((entry) => parseSocketAddress(entry.address)?.address)
    return found.find((address) => address !== undefined && isLinkLocal(address))
  }
  return undefined
}

/**
 * The interface to reach a link-local address by (RFC 4007 §6): the named one, the one that has the source address, or the
 * only one that is not a loopback and has a link-local address. `undefined`: it cannot be known.
 */
export function linkLocalZone(
  interfaces: Interfaces,
  named: string | undefined,
  source: Address | undefined,
): string | undefined {
  if (named !== undefined) return named
  const bySource = source === undefined ? undefined : interfaceOf(interfaces, source)
  if (bySource !== undefined) return bySource
  const candidates = Object.entries(interfaces).filter(([, entries]) =>
    entries?.some((entry) => {
      const found = parseSocketAddress(entry.address)?.address
      return !entry.internal && found !== undefined && isLinkLocal(found)
    }),
  )
  return candidates.length === 1 ? candidates[0]?.[0] : undefined
}

/** The first address of each IP version that others can reach, IPv4 first; on a machine without a network, loopback's. */
export function reachableAddresses(interfaces: Interfaces): Address[] {
  const all = Object.values(interfaces).flatMap((entries) => entries ?? [])
  const outside = all.filter(({ internal }) => !internal)
  const usable = (outside.length > 0 ? outside : all).flatMap((entry) => {
    const found = parseSocketAddress(entry.address)?.address
    return found === undefined || isLinkLocal(found) ? [] : [found]
  })
  return ([4, 6] as const).flatMap((version) => usable.find((found) => versionOf(found) === version) ?? [])
}

function isUnspecified(address: Address): boolean {
  return addressBytes(address).every((byte) => byte === 0)
}
