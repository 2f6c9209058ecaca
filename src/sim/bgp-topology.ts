/**
 * Random fabrics of BGP speakers: autonomous systems that are one speaker, a full mesh, a route reflector with clients or a
 * confederation, joined by external sessions, with own routes of both families.
 */
import type { InstanceConfig, OriginatedRoute, PeerConfig, Role } from '#core/bgp/config.ts'
import { families, familyOfPrefix, type Family } from '#core/bgp/family.ts'
import type { PolicyChain, PolicyStatement, RoutePolicy } from '#core/bgp/policy/policy.ts'
import type { Prng } from '#core/lib/prng.ts'
import { address, type Address } from '#core/net/address.ts'
import { prefix } from '#core/net/prefix.ts'

export interface FabricSpeaker {
  name: string
  addresses: Record<4 | 6, Address>
  config: InstanceConfig
  /** Addresses of neighbours to which it speaks as if there were no AS numbers of four octets (RFC 6793 §4.2.2). */
  twoOctetNeighbours: Set<Address>
}

/** Drawn once for a whole fabric. */
export interface FabricTraits {
  /** Sessions notice silence by themselves; without, nothing happens when nothing happens. */
  holdTimers: boolean
  meds: boolean
  gracefulRestart: boolean
  longLived: boolean
  addPath: boolean
  policies: boolean
  roles: boolean
  twoOctets: boolean
}

export interface Fabric {
  speakers: FabricSpeaker[]
  traits: FabricTraits
}

type Shape = 'one' | 'mesh' | 'reflected' | 'confederation' | 'routeServer'

export function randomFabric(random: Prng): Fabric {
  const traits: FabricTraits = {
    holdTimers: random.below(8) === 0,
    meds: random.below(4) === 0,
    gracefulRestart: random.below(3) === 0,
    addPath: random.below(4) === 0,
    policies: random.below(3) === 0,
    longLived: false,
    roles: random.below(4) === 0,
    twoOctets: random.below(4) === 0,
  }
  traits.longLived = traits.gracefulRestart && random.below(2) === 0
  const builder = new FabricBuilder(random, traits)
  const systems: FabricSpeaker[][] = []
  for (let count = 1 + random.below(4); count > 0; count--) {
    // What can oscillate by MED is left out: RFC 4456 §10 and RFC 3345 tell why.
    const shapes: Shape[] = traits.meds
      ? ['one', 'mesh']
      : ['one', 'mesh', 'reflected', 'confederation', 'routeServer']
    systems.push(builder.system(random.pick(shapes)))
  }
  for (let i = 1; i < systems.length; i++) builder.external(systems[i]!, systems[random.below(i)]!)
  for (let more = random.below(4); more > 0 && systems.length > 1; more--) {
    const [a, b] = [random.pick(systems), random.pick(systems)]
    if (a !== b) builder.external(a, b)
  }
  for (const { config } of builder.speakers) {
    config.routes = randomRoutes(random, config, traits)
    if (!traits.policies) continue
    config.policies = randomPolicies(random, traits)
    for (const peer of config.peers) setChains(random, config.asn, peer)
  }
  return { speakers: builder.speakers, traits }
}

class FabricBuilder {
  readonly speakers: FabricSpeaker[] = []
  readonly #random: Prng
  readonly #traits: FabricTraits
  /** RFC 7947: all their neighbours are their clients. */
  readonly #servers = new Set<FabricSpeaker>()
  #systems = 0

  constructor(random: Prng, traits: FabricTraits) {
    this.#random = random
    this.#traits = traits
  }

  system(shape: Shape): FabricSpeaker[] {
    const random = this.#random
    const number = ++this.#systems
    const asn = random.below(3) === 0 ? 4_200_000_000 + number : 65_000 + number
    switch (shape) {
      case 'one':
        return [this.#speaker(asn)]
      case 'mesh': {
        const members = Array.from({ length: 2 + random.below(3) }, () => this.#speaker(asn))
        this.#mesh(members)
        return members
      }
      case 'reflected':
        return this.#reflected(asn)
      case 'confederation':
        return this.#confederation(asn, number)
      case 'routeServer': {
        const server = this.#speaker(asn)
        this.#servers.add(server)
        return [server]
      }
    }
  }

  /** A session between some speaker of the one and some of the other, unless these two have one. */
  external(a: readonly FabricSpeaker[], b: readonly FabricSpeaker[]): void {
    this.#join(this.#random.pick(a), this.#random.pick(b))
  }

  #reflected(asn: number): FabricSpeaker[] {
    const random = this.#random
    const reflectors = Array.from({ length: 1 + random.below(2) }, () => this.#speaker(asn))
    if (random.below(2) === 0) for (const { config } of reflectors) config.clusterId = address('10.99.0.1')
    const clients = Array.from({ length: 1 + random.below(3) }, () => this.#speaker(asn))
    const others = random.below(3) === 0 ? [this.#speaker(asn)] : []
    this.#mesh([...reflectors, ...others])
    for (const client of clients)
      for (const reflector of reflectors) this.#join(reflector, client, { routeReflectorClient: true })
    return [...reflectors, ...clients, ...others]
  }

  #confederation(id: number, number: number): FabricSpeaker[] {
    const random = this.#random
    const members = Array.from({ length: 2 + random.below(2) }, (_, i) => 64_600 + 10 * number + i)
    const groups = members.map((asn) => {
      const group = Array.from({ length: 1 + random.below(2) }, () => this.#speaker(asn))
      for (const { config } of group)
        config.confederation = { id, members: members.filter((each) => each !== asn) }
      this.#mesh(group)
      return group
    })
    for (let i = 1; i < groups.length; i++) this.external(groups[i]!, groups[random.below(i)]!)
    return groups.flat()
  }

  #mesh(speakers: readonly FabricSpeaker[]): void {
    for (const [i, a] of speakers.entries()) for (const b of speakers.slice(0, i)) this.#join(a, b)
  }

  #speaker(asn: number): FabricSpeaker {
    const number = this.speakers.length + 1
    const addresses = { 4: address(`172.30.0.${number}`), 6: address(`fd30::${number.toString(16)}`) }
    // Not in the order of addresses, so that each step of the decision counts.
    const routerId = address(`10.${this.#random.below(200)}.0.${number}`)
    const config: InstanceConfig = {
      name: `s${number}`,
      asn,
      routerId,
      listenPort: 179,
      peers: [],
      routes: [],
    }
    const speaker: FabricSpeaker = { name: config.name, addresses, config, twoOctetNeighbours: new Set() }
    this.speakers.push(speaker)
    return speaker
  }

  #join(a: FabricSpeaker, b: FabricSpeaker, options: Partial<PeerConfig> = {}): void {
    if (a === b || a.config.peers.some(({ name }) => name === b.name)) return
    // Between two servers a path would get no longer, and go in circles.
    if (this.#servers.has(a) && this.#servers.has(b)) return
    const random = this.#random
    const version = random.pick([4, 6] as const)
    const common: Partial<PeerConfig> = {}
    if (random.below(8) === 0) common.families = [random.pick(families)]
    if (this.#traits.gracefulRestart && random.below(2) === 0)
      common.gracefulRestart = {
        restartSeconds: 20,
        helperOnly: false,
        notification: random.below(2) === 0,
        deferralSeconds: 15,
        // All of it is over when a fabric has come to rest.
        ...(this.#traits.longLived && random.below(3) > 0 && { longLivedSeconds: 100 }),
        ...(random.below(3) === 0 && { stalePathSeconds: 10 }),
      }
    const passive = random.below(4)
    const [toB, toA] = [this.#peer(a, b, version), this.#peer(b, a, version)]
    if (this.#traits.roles && !isInside(a, b)) this.#setRoles(toB, toA)
    a.config.peers.push({ ...toB, ...common, ...options, passive: passive === 0 })
    b.config.peers.push({ ...toA, ...common, passive: passive === 1 })
    if (!this.#traits.twoOctets || Math.max(toA.asn, toB.asn) > 0xffff || random.below(2) === 0) return
    a.twoOctetNeighbours.add(toB.address)
    b.twoOctetNeighbours.add(toA.address)
  }

  /** RFC 9234 §4.1; now and then one side has none, or two do not fit. */
  #setRoles(toB: PeerConfig, toA: PeerConfig): void {
    const random = this.#random
    const pairs: [Role, Role][] = [
      ['provider', 'customer'],
      ['customer', 'provider'],
      ['peer', 'peer'],
    ]
    const pair: [Role, Role] =
      toB.routeServerClient === true
        ? ['rs', 'rs-client']
        : toA.routeServerClient === true
          ? ['rs-client', 'rs']
          : random.pick(pairs)
    const strict = random.below(6) === 0
    if (random.below(4) > 0) toB.role = { name: pair[0], strict }
    if (random.below(4) > 0) toA.role = { name: random.below(12) === 0 ? 'peer' : pair[1], strict: false }
  }

  #peer(own: FabricSpeaker, other: FabricSpeaker, version: 4 | 6): PeerConfig {
    const random = this.#random
    const { holdTimers, addPath } = this.#traits
    const { asn, confederation } = other.config
    const inside = isInside(own, other)
    const peer: PeerConfig = {
      name: other.name,
      address: other.addresses[version],
      port: 179,
      asn: inside ? asn : (confederation?.id ?? asn),
      passive: false,
      families: [...families],
      ttl: 64,
      timers: holdTimers
        ? { connectRetrySeconds: 5, holdTimeSeconds: 9, keepaliveSeconds: 3 }
        : { connectRetrySeconds: 60, holdTimeSeconds: 0, keepaliveSeconds: 30 },
      importRoutes: random.below(30) > 0,
      exportLearned: random.below(20) > 0,
    }
    if (random.below(12) === 0) peer.nextHop = 'self'
    if (this.#servers.has(own)) peer.routeServerClient = true
    // RFC 7947 §2.2.2.1: paths begin with another AS than the server's.
    if (this.#servers.has(other)) peer.enforceFirstAs = false
    if (addPath && random.below(3) > 0)
      peer.addPath = Object.fromEntries(
        families.map((family: Family) => [
          family,
          { receive: random.below(3) > 0, send: random.pick([0, Infinity]) },
        ]),
      )
    return peer
  }
}

/** In one autonomous system, or one confederation. */
function isInside(own: FabricSpeaker, { config: { asn } }: FabricSpeaker): boolean {
  return asn === own.config.asn || own.config.confederation?.members.includes(asn) === true
}

/** Some of the instance's policies for either direction. */
function setChains(random: Prng, asn: number, peer: PeerConfig): void {
  const chain = (names: string[]): PolicyChain => ({
    policies: names.filter(() => random.below(2) === 0),
    otherwise: random.below(12) === 0 ? 'reject' : 'accept',
  })
  if (random.below(2) === 0) peer.importPolicy = chain(['filter', 'mark'])
  // A speaker that finds its own AS number in an internal path takes it for a loop.
  if (random.below(2) === 0)
    peer.exportPolicy = chain(peer.asn === asn ? ['filter'] : ['filter', 'mark', 'lengthen'])
}

/**
 * What can be said about routes without making two speakers want each other's way: the preference stays that of the shortest
 * path (RFC 4264 §3).
 */
export function randomPolicies(random: Prng, traits: FabricTraits): RoutePolicy[] {
  const some = (statements: PolicyStatement[]) => statements.filter(() => random.below(3) === 0)
  const community = random.pick(communities.slice(3))
  const entry = random.below(2) === 0 ? prefix('198.51.0.0/16') : prefix('2001:db8::/32')
  const [shortest, longest] = familyOfPrefix(entry) === 'ipv4/unicast' ? [16, 24] : [32, 48]
  const texts = communities.slice(3).map((each) => ({
    kind: 'text' as const,
    text: `${Math.floor(each / 65_536)}:${each % 65_536}`,
  }))
  const filter = some([
    {
      match: {
        prefixes: { mode: 'any', entries: [{ prefix: entry, minLength: shortest, maxLength: longest }] },
      },
      then: 'reject',
    },
    { match: { communities: { mode: 'any', entries: [random.pick(texts)] } }, then: 'reject' },
    { match: { asPathLength: { operator: 'ge', value: 3 } }, then: 'reject' },
    { match: { asPath: { mode: 'any', entries: [{ kind: 'contains', asns: [65_002] }] } }, then: 'reject' },
    { match: { sources: ['own'] }, then: 'accept' },
    { match: { origins: ['incomplete'] }, then: 'reject' },
  ])
  const mark = some([
    { match: { origins: ['igp'] }, set: { communities: { add: [community] } }, then: 'next' },
    { match: {}, set: { communities: { remove: [random.pick(texts)] } }, then: 'next' },
    { match: {}, set: { origin: 'egp' }, then: 'next' },
  ])
  if (traits.meds)
    mark.push({ match: {}, set: { med: { kind: 'set', value: random.below(3) } }, then: 'next' })
  const lengthen: PolicyStatement[] = [
    { match: {}, set: { prepend: { asn: 'own', count: 1 + random.below(2) } }, then: 'next' },
  ]
  return [
    { name: 'filter', statements: filter },
    { name: 'mark', statements: mark },
    { name: 'lengthen', statements: lengthen },
  ]
}

const communities = [0xffffff01, 0xffffff02, 0xffffff03, 65_001 * 65_536 + 7, 65_002 * 65_536 + 9]

/** A few of a small stock, so that several speakers have the same. */
export function randomRoutes(
  random: Prng,
  { peers }: InstanceConfig,
  traits: FabricTraits,
): OriginatedRoute[] {
  const routes: OriginatedRoute[] = []
  for (let n = 0; n < 8; n++) {
    if (random.below(3) > 0) continue
    const text = n % 2 === 0 ? `198.51.${n}.0/24` : `2001:db8:${n}::/48`
    const to = peers.filter(() => random.below(8) > 0).map(({ name }) => ({ peer: name }))
    const attributes: OriginatedRoute['to'][number]['attributes'] = {}
    if (random.below(4) === 0) attributes.origin = random.pick(['igp', 'egp', 'incomplete'])
    if (traits.meds && random.below(2) === 0) attributes.med = random.below(3)
    // Less than what external paths have would make two ASes want each other's way (RFC 4264 §3).
    if (random.below(6) === 0) attributes.localPref = random.pick([150, 200])
    if (random.below(5) === 0) attributes.communities = [random.pick(communities)]
    routes.push({ prefix: prefix(text), to: to.map((target) => ({ ...target, attributes })) })
  }
  return routes
}
