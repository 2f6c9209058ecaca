/**
 * What must hold in a simulation. `checkAlways` after every step; `checkQuiet` when nothing has been going on for long
 * enough that whatever can be up is up. Each gives sentences about what is wrong; none is right.
 */
import type { RouteEntry } from '#core/bgp/io.ts'
import { compareText } from '#core/lib/order.ts'
import { address, versionOf, type Address } from '#core/net/address.ts'
import type { Prefix } from '#core/net/prefix.ts'
import { rangeContains } from '#core/net/range.ts'
import type { Service } from '#core/schema/kubernetes.ts'
import { expectedSessions, givenAddresses, poolRanges, type ExpectedSession } from './oracle.ts'
import type { SimulatedRouter } from './router.ts'
import type { Simulation } from './simulation.ts'
import type { SpeakerHost } from './speaker-host.ts'

/** What must hold at every moment; gives what does not. */
export function checkAlways({ cluster }: Simulation): string[] {
  const owners = new Map<Address, string>()
  return givenAddresses(cluster).flatMap(({ service, address }) => {
    const other = owners.get(address)
    owners.set(address, service)
    return other === undefined ? [] : [`${address} was given to ${other} and to ${service}`]
  })
}

/** What must hold when nothing is on its way; gives what does not. */
export function checkQuiet(simulation: Simulation): string[] {
  const expected = expectedSessions(simulation.cluster)
  return [
    ...checkAlways(simulation),
    ...uncurrent(simulation),
    ...wrongAllocations(simulation),
    ...[...simulation.routers.values()].flatMap((router) =>
      router.running ? wrongAtRouter(simulation, router, expected) : [],
    ),
    ...[...simulation.speakers.values()].flatMap((speaker) => superfluousSessions(speaker, expected)),
  ]
}

function uncurrent({ cluster, controller, speakers }: Simulation): string[] {
  if (!cluster.available) return []
  const late = [...speakers.values()]
    .filter(({ current }) => !current)
    .map(({ node }) => `the speaker of ${node}`)
  if (!controller.current) late.push('the controller')
  return late.map((who) => `${who} has not seen everything or waits for an answer`)
}

/** While the controller runs: addresses come from pools that exist, and nobody who could have one is without. */
function wrongAllocations({ cluster, controller }: Simulation): string[] {
  if (!controller.running || !cluster.available) return []
  const ranges = poolRanges(cluster)
  return cluster.list<Service>('Service').flatMap(({ metadata, spec, status }) => {
    const given = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []).map(address)
    const balanced = spec?.type === 'LoadBalancer'
    const versions = balanced ? (spec.ipFamilies ?? []).map((family) => (family === 'IPv4' ? 4 : 6)) : []
    const faults = given
      .filter((ip) => !ranges.some((range) => rangeContains(range, ip)) || !versions.includes(versionOf(ip)))
      .map((ip) => `Service ${metadata.name} has ${ip}, which it should not`)
    for (const version of versions) {
      const possible = ranges.some((range) => range.version === version)
      const has = given.filter((ip) => versionOf(ip) === version).length
      if (possible && has !== 1) faults.push(`Service ${metadata.name} has ${has} IPv${version} addresses`)
    }
    return faults
  })
}

function wrongAtRouter(
  simulation: Simulation,
  router: SimulatedRouter,
  expected: ExpectedSession[],
): string[] {
  const faults: string[] = []
  const fault = (text: string) => faults.push(`at ${router.host.name}: ${text}`)
  const announcers = new Map<Prefix, string[]>()
  for (const speaker of simulation.speakers.values()) {
    const session = possibleSession(simulation, router, speaker, expected)
    const received = router.routes('adjRibIn', { peer: speaker.node })
    const got = new Set(received.map(({ prefix }) => prefix))
    for (const prefix of session?.prefixes ?? []) {
      if (!got.has(prefix)) fault(`${prefix} from ${speaker.node} is missing`)
      else announcers.set(prefix, [...(announcers.get(prefix) ?? []), speaker.node])
    }
    for (const prefix of got) {
      if (!session?.prefixes.has(prefix)) fault(`${prefix} from ${speaker.node} should be gone`)
    }
    const state = router.peers().find(({ peer }) => peer === speaker.node)?.state
    if (session !== undefined && state !== 'established')
      fault(`the session with ${speaker.node} is ${state}`)
    if (session === undefined && state === 'established')
      fault(`the session with ${speaker.node} is still up`)
    if (session !== undefined) {
      for (const text of disagreements(router, speaker)) fault(text)
      const connections = simulation.tcp
        .connections(speaker.host)
        .filter(({ remoteAddress }) => router.host.has(remoteAddress)).length
      if (connections !== 1) fault(`${connections} connections with ${speaker.node}`)
    }
  }
  const best = router.routes('locRib').filter((route) => route.best)
  for (const { prefix, peer } of best) {
    if (!announcers.get(prefix)?.includes(peer ?? '')) fault(`the best route to ${prefix} is from ${peer}`)
  }
  for (const prefix of announcers.keys()) {
    const count = best.filter((route) => route.prefix === prefix).length
    if (count !== 1) fault(`${count} best routes to ${prefix}`)
  }
  return faults
}

/** The session that speaker and router should have now, as far as processes and links allow. */
function possibleSession(
  { network }: Simulation,
  router: SimulatedRouter,
  speaker: SpeakerHost,
  expected: ExpectedSession[],
): ExpectedSession | undefined {
  if (!speaker.running || network.isCut(speaker.host, router.host)) return undefined
  const session = expected.find(({ node, neighbour }) => node === speaker.node && router.host.has(neighbour))
  const known = router.neighbours.find(({ name }) => name === speaker.node)
  return known !== undefined && known.asn === session?.localAsn ? session : undefined
}

/** Both ends of a session have the same routes with the same attributes, in both directions. */
function disagreements(router: SimulatedRouter, speaker: SpeakerHost): string[] {
  const peer = speaker.peers().find(({ address }) => router.host.has(address))?.peer ?? ''
  return [
    ...differences(
      `${speaker.node} sent`,
      speaker.routes('adjRibOut', { peer }),
      `${router.host.name} has`,
      router.routes('adjRibIn', { peer: speaker.node }),
    ),
    ...differences(
      `${router.host.name} sent`,
      router.routes('adjRibOut', { peer: speaker.node }),
      `${speaker.node} has`,
      speaker.routes('adjRibIn', { peer }),
    ),
  ]
}

function differences(sender: string, sent: RouteEntry[], receiver: string, received: RouteEntry[]): string[] {
  const out = new Map(sent.map(({ prefix, attributes }) => [prefix, comparable(attributes)]))
  const faults: string[] = []
  for (const { prefix, attributes } of received) {
    const original = out.get(prefix)
    out.delete(prefix)
    if (original === comparable(attributes)) continue
    faults.push(`${sender} ${prefix} ${original}, ${receiver} ${comparable(attributes)}`)
  }
  for (const prefix of out.keys()) faults.push(`${sender} ${prefix}, ${receiver} it not`)
  return faults
}

function comparable(attributes: RouteEntry['attributes']): string {
  return JSON.stringify(Object.entries(attributes).sort(([a], [b]) => compareText(a, b)))
}

function superfluousSessions(speaker: SpeakerHost, expected: ExpectedSession[]): string[] {
  return speaker
    .peers()
    .filter(({ state, address }) => {
      const wanted = expected.some(({ node, neighbour }) => node === speaker.node && neighbour === address)
      return state === 'established' && !wanted
    })
    .map(({ address }) => `${speaker.node} has a session with ${address} that no policy asks for`)
}
