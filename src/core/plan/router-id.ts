/** The BGP identifier of an instance on a node. */
import { reasonFrom, type Derived } from '#core/dialect/native-set.ts'
import type { Reason } from '#core/lib/reason.ts'
import { address, addressFromInteger, parseAddress, versionOf, type Address } from '#core/net/address.ts'
import type { BGPInstance } from '#core/schema/bgp-instance.ts'
import { refOf } from '#core/schema/object.ts'
import type { Node } from '#core/schema/kubernetes.ts'

/** `override`: index of the node's entry in `spec.overrides`, or −1. */
export function routerIdOf(
  instance: Derived<BGPInstance>,
  node: Node,
  override: number,
): { value: Address; reason: Reason } {
  const { spec } = instance.resource
  const overriding = spec.overrides?.[override]?.routerId
  const given = overriding ?? spec.routerId
  if (given !== undefined) {
    const path = overriding === undefined ? 'spec.routerId' : `spec.overrides[${override}].routerId`
    return {
      value: address(given),
      reason: reasonFrom(instance, path, 'RouterIdGiven', `its router ID is given as ${given}`),
    }
  }
  for (const [i, { type, address: text }] of (node.status?.addresses ?? []).entries()) {
    const parsed = parseAddress(text)
    if (type !== 'InternalIP' || !parsed.ok || versionOf(parsed.value) === 6) continue
    const reason = {
      rule: 'RouterIdFromNodeAddress',
      message: `its router ID is the node's internal address ${parsed.value}`,
      object: refOf(node),
      field: `status.addresses[${i}]`,
    }
    return { value: parsed.value, reason }
  }
  const value = hashed(node.metadata.name)
  const reason = {
    rule: 'RouterIdFromNodeName',
    message: `the node has no internal IPv4 address, so its router ID ${value} is derived from its name`,
    object: refOf(node),
    field: 'metadata.name',
  }
  return { value, reason }
}

/** FNV-1a, moved into 1.0.0.0 to 126.255.255.255: speakers that predate RFC 6286 want a valid unicast address. */
function hashed(name: string): Address {
  let hash = 0x811c9dc5
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
  const value = 0x0100_0000 + ((hash >>> 0) % (0x7f00_0000 - 0x0100_0000))
  return addressFromInteger(BigInt(value), 4)
}
