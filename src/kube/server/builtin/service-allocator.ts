/**
 * ClusterIPs and node ports: what is in use is derived from the stored Services, never stored beside them. Choices are
 * made when a Service is prepared and count once it is written.
 */
import { randomBytes, randomInt } from 'node:crypto'
import {
  addressFromInteger,
  addressToInteger,
  parseAddress,
  versionOf,
  type Address,
} from '#core/net/address.ts'
import { covers, prefixVersion, type Prefix } from '#core/net/prefix.ts'
import { rangeOfPrefix } from '#core/net/range.ts'
import { invalidValue, type Cause } from '../api-error.ts'
import { objectAt, objectsAt, stringAt, stringsAt, type JsonObject, type Resource } from '../json.ts'

type Family = 'IPv4' | 'IPv6'

export class ServiceAllocator {
  readonly #cidrs: ReadonlyMap<Family, Prefix>
  readonly #families: Family[]
  readonly #portMin: number
  readonly #portMax: number
  /** Owner (`namespace/name`) by address, and by `port/protocol` for node ports. */
  readonly #addresses = new Map<string, string>()
  readonly #ports = new Map<string, string>()

  /** `cidrs`: one or two, of different IP versions; the first is the default family. Port bounds are inclusive. */
  constructor(cidrs: Prefix[], nodePorts: { first: number; last: number }) {
    this.#cidrs = new Map(cidrs.map((cidr) => [prefixVersion(cidr) === 4 ? 'IPv4' : 'IPv6', cidr]))
    this.#families = [...this.#cidrs.keys()]
    this.#portMin = nodePorts.first
    this.#portMax = nodePorts.last
  }

  /** The first address of the first CIDR: that of the `kubernetes` Service. */
  apiAddress(): Address {
    const range = rangeOfPrefix(this.#cidrs.get(this.#families[0]!)!)
    return addressFromInteger(addressToInteger(range.first) + 1n, range.version)
  }

  /** Keeps up with the store: call for every Service written or deleted. */
  observe(previous: Resource | undefined, object: Resource | undefined): void {
    if (previous !== undefined) this.#mark(previous, false)
    if (object !== undefined) this.#mark(object, true)
  }

  /** Fills in clusterIPs, families and node ports that `object` lacks; checks those that it names. */
  allocate(object: Resource, previous: Resource | undefined): Cause[] {
    const spec = objectAt(object, 'spec')
    const causes = this.#allocateAddresses(object, spec, objectAt(previous, 'spec'))
    if (causes.length === 0) causes.push(...this.#allocatePorts(object, spec))
    return causes
  }

  #allocateAddresses(object: Resource, spec: JsonObject, before: JsonObject): Cause[] {
    const named = stringsAt(spec, 'clusterIPs').filter((ip) => ip !== '')
    const clusterIp = stringAt(spec, 'clusterIP')
    if (clusterIp !== '' && named.length === 0) named.push(clusterIp)
    if (clusterIp !== '' && named[0] !== clusterIp)
      return [invalidValue('spec.clusterIPs', named, 'first value must match `clusterIP`')]
    const headless = named[0] === 'None'
    const ips = headless ? [] : named
    for (const [i, ip] of ips.entries()) {
      const parsed = parseAddress(ip)
      if (!parsed.ok) {
        const why = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
        return [invalidValue(`spec.clusterIPs[${i}]`, ip, why)]
      }
    }
    const { families, causes } = this.#chooseFamilies(spec, before, ips, headless)
    if (causes.length > 0) return causes
    spec['ipFamilies'] = families
    if (headless) {
      spec['clusterIP'] = 'None'
      spec['clusterIPs'] = ['None']
      return []
    }
    const result: string[] = []
    for (const [i, family] of families.entries()) {
      const wanted = ips[i]
      if (wanted === undefined) {
        const free = this.#freeAddress(family)
        if (free === undefined)
          return [invalidValue('spec.clusterIPs', result, `no free address in ${this.#cidrs.get(family)!}`)]
        result.push(free)
        continue
      }
      const problem = this.#addressProblem(wanted as Address, family, ownerOf(object))
      if (problem !== undefined) return [invalidValue('spec.clusterIPs', ips, problem)]
      result.push(wanted)
    }
    spec['clusterIP'] = result[0]!
    spec['clusterIPs'] = result
    return []
  }

  /** The families that the Service has in the end, and its policy. */
  #chooseFamilies(
    spec: JsonObject,
    before: JsonObject,
    ips: string[],
    headless: boolean,
  ): { families: Family[]; causes: Cause[] } {
    const wanted = stringsAt(spec, 'ipFamilies') as Family[]
    for (const family of wanted) {
      if (!this.#cidrs.has(family)) {
        const why = 'not configured on this cluster'
        return { families: [], causes: [invalidValue('spec.ipFamilies', wanted, why)] }
      }
    }
    const implied = ips.map((ip): Family => (versionOf(ip as Address) === 4 ? 'IPv4' : 'IPv6'))
    // Going from two families to one by policy keeps the first.
    const single = spec['ipFamilyPolicy'] === 'SingleStack' && stringsAt(before, 'ipFamilies').length === 2
    if (single) {
      ips.splice(1)
      return { families: [implied[0] ?? wanted[0] ?? this.#families[0]!], causes: [] }
    }
    if (spec['ipFamilyPolicy'] === undefined)
      spec['ipFamilyPolicy'] = implied.length > 1 || wanted.length > 1 ? 'RequireDualStack' : 'SingleStack'
    const dual = spec['ipFamilyPolicy'] !== 'SingleStack'
    const families = [...new Set([...implied, ...wanted])]
    if (families.length === 0) families.push(this.#families[0]!)
    if (!dual && families.length > 1) {
      const why = "may only hold up to 1 values when `ipFamilyPolicy` is 'SingleStack'"
      return { families, causes: [invalidValue('spec.ipFamilies', families, why)] }
    }
    if (dual && families.length === 1) {
      const other = this.#families.find((family) => family !== families[0])
      if (other !== undefined) families.push(other)
      else if (spec['ipFamilyPolicy'] === 'RequireDualStack' && !headless) {
        const why = 'this cluster is not configured for dual-stack services'
        return { families, causes: [invalidValue('spec.ipFamilyPolicy', 'RequireDualStack', why)] }
      }
    }
    return { families, causes: [] }
  }

  #addressProblem(address: Address, family: Family, owner: string): string | undefined {
    const cidr = this.#cidrs.get(family)
    if (cidr === undefined || !covers(cidr, address))
      return `failed to allocate IP ${address}: the provided IP (${address}) is not in the valid range. The range of valid IPs is ${cidr ?? 'none'}`
    const holder = this.#addresses.get(address)
    if (holder === undefined || holder === owner) return undefined
    return `failed to allocate IP ${address}: provided IP is already allocated`
  }

  #freeAddress(family: Family): Address | undefined {
    const range = rangeOfPrefix(this.#cidrs.get(family)!)
    const first = addressToInteger(range.first) + 1n
    // IPv4 leaves the broadcast address out.
    const size = addressToInteger(range.last) - first + (family === 'IPv4' ? 0n : 1n)
    if (size <= 0n) return undefined
    const start = BigInt(`0x${randomBytes(8).toString('hex')}`) % size
    // The first one is reserved for the API server.
    for (let i = 0n, tries = Math.min(Number(size), this.#addresses.size + 2); i < tries; i++) {
      const offset = (start + i) % size
      if (offset === 0n) continue
      const candidate = addressFromInteger(first + offset, range.version)
      if (!this.#addresses.has(candidate)) return candidate
    }
    return undefined
  }

  #allocatePorts(object: Resource, spec: JsonObject): Cause[] {
    const owner = ownerOf(object)
    const type = spec['type']
    const needed =
      type === 'NodePort' || (type === 'LoadBalancer' && spec['allocateLoadBalancerNodePorts'] !== false)
    const causes: Cause[] = []
    // Ports of the same Service with different protocols may share a node port.
    const own = new Set<string>()
    const ports = objectsAt(spec, 'ports')
    for (const [i, port] of ports.entries()) {
      const number = port['nodePort']
      if (number === undefined || number === 0) continue
      const field = `spec.ports[${i}].nodePort`
      if (type === 'ClusterIP') continue
      if (typeof number !== 'number' || number < this.#portMin || number > this.#portMax) {
        const why = `provided port is not in the valid range. The range of valid ports is ${this.#portMin}-${this.#portMax}`
        causes.push(invalidValue(field, number, why))
        continue
      }
      const key = `${number}/${stringAt(port, 'protocol')}`
      const holder = this.#ports.get(key)
      if (own.has(key) || (holder !== undefined && holder !== owner))
        causes.push(invalidValue(field, number, 'provided port is already allocated'))
      own.add(key)
    }
    if (causes.length > 0 || !needed) return causes
    for (const [i, port] of ports.entries()) {
      if (port['nodePort'] !== undefined && port['nodePort'] !== 0) continue
      const free = this.#freePort(stringAt(port, 'protocol'), own)
      if (free === undefined) {
        const why = 'failed to allocate a nodePort: range is full'
        return [invalidValue(`spec.ports[${i}].nodePort`, 0, why)]
      }
      port['nodePort'] = free
    }
    if (type === 'LoadBalancer' && spec['externalTrafficPolicy'] === 'Local') {
      spec['healthCheckNodePort'] ??= this.#freePort('TCP', own)
    }
    return []
  }

  #freePort(protocol: string, own: Set<string>): number | undefined {
    const size = this.#portMax - this.#portMin + 1
    const start = randomInt(size)
    for (let i = 0; i < size; i++) {
      const port = this.#portMin + ((start + i) % size)
      const key = `${port}/${protocol}`
      if (this.#ports.has(key) || own.has(key)) continue
      own.add(key)
      return port
    }
    return undefined
  }

  #mark(object: Resource, used: boolean): void {
    const owner = ownerOf(object)
    const spec = objectAt(object, 'spec')
    const set = (map: Map<string, string>, key: string) => {
      if (used) map.set(key, owner)
      else if (map.get(key) === owner) map.delete(key)
    }
    for (const ip of stringsAt(spec, 'clusterIPs')) if (ip !== 'None') set(this.#addresses, ip)
    for (const port of objectsAt(spec, 'ports')) {
      if (typeof port['nodePort'] === 'number')
        set(this.#ports, `${port['nodePort']}/${stringAt(port, 'protocol')}`)
    }
    if (typeof spec['healthCheckNodePort'] === 'number')
      set(this.#ports, `${spec['healthCheckNodePort']}/TCP`)
  }
}

function ownerOf(object: Resource): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`
}
