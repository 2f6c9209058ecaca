/**
 * The door of the GoBGP dialect: its configuration file as native resources. As in GoBGP, everything is passed on between
 * neighbours unless a policy says otherwise: the global ones for all neighbours but route server clients, whose own count.
 */
import type { Problem } from '#core/lib/reason.ts'
import { refOf, type KubeObject } from '#core/schema/object.ts'
import { heraldApiVersion } from '#core/schema/well-known.ts'
import type { BGPInstance, BGPInstanceSpec } from '#core/schema/bgp-instance.ts'
import { emptyNativeSet, type Derived, type NativeSet } from '../native-set.ts'
import { peersOf } from './neighbor.ts'
import { gobgpApiVersion, instanceName, type GobgpFile } from './place.ts'
import { policyOf } from './policy.ts'

export function isGobgpFile(object: KubeObject): object is GobgpFile {
  return object.apiVersion === gobgpApiVersion && object.kind === 'File'
}

/** The object that stands for a valid file in a snapshot. */
export function gobgpFile(name: string, spec: GobgpFile['spec']): GobgpFile {
  return { apiVersion: gobgpApiVersion, kind: 'File', metadata: { name }, spec }
}

export function gobgpResources(file: GobgpFile): NativeSet {
  const set = emptyNativeSet()
  set.instances.push(instanceOf(file, set.problems))
  for (const [i, definition] of (file.spec['policy-definitions'] ?? []).entries()) {
    set.policies.push(policyOf(file, definition, i))
  }
  const { peers, problems } = peersOf(file)
  set.peers.push(...peers)
  set.problems.push(...problems)
  return set
}

/** GoBGP's own defaults. */
const defaultPort = 179
const rpkiPort = 323
const bmpPort = 11019
const manyPaths = 255

/** What a BMP station is told, in GoBGP's words. */
const views = {
  'pre-policy': ['pre'],
  'post-policy': ['post'],
  both: ['pre', 'post'],
  'local-rib': ['locRib'],
  all: ['pre', 'post', 'locRib'],
} as const

function instanceOf(file: GobgpFile, problems: Problem[]): Derived<BGPInstance> {
  const { global } = file.spec
  const { as, port = 0, 'router-id': routerId, 'local-address-list': addresses = [] } = global.config
  const confederation = global.confederation?.config
  const clusterId = clusterIdOf(file, problems)
  const listenAddresses = addresses.filter((text) => text !== '' && text !== '0.0.0.0' && text !== '::')
  const multipath = global['use-multiple-paths']
  const caches = (file.spec['rpki-servers'] ?? []).map(({ config }, i) => ({
    address: config.address,
    port: config.port || rpkiPort,
    preference: i + 1,
  }))
  const stations = (file.spec['bmp-servers'] ?? []).map(({ config }) => ({
    address: config.address,
    port: config.port || bmpPort,
    views: [...views[config['route-monitoring-policy'] ?? 'pre-policy']],
    ...(config['statistics-timeout'] && { statisticsSeconds: config['statistics-timeout'] }),
  }))
  const spec: BGPInstanceSpec = {
    asn: as,
    ...(routerId !== undefined && { routerId }),
    ...(port >= 0 && { listenPort: port === 0 ? defaultPort : port }),
    ...(listenAddresses.length > 0 && { listenAddresses }),
    ...(clusterId !== undefined && { clusterId }),
    ...(confederation?.enabled === true && {
      confederation: {
        asn: confederation.identifier ?? as,
        members: confederation['member-as-list'] ?? [],
      },
    }),
    ...(multipath?.config?.enabled === true && {
      maxPaths: {
        external: multipath.ebgp?.config?.['maximum-paths'] || manyPaths,
        internal: multipath.ibgp?.config?.['maximum-paths'] || manyPaths,
      },
    }),
    ...(caches.length > 0 && { rpki: { caches } }),
    ...(stations.length > 0 && { bmpStations: stations }),
    ...mrtOf(file, problems),
    ...(global['route-selection-options']?.config?.['always-compare-med'] === true && {
      alwaysCompareMed: true,
    }),
  }
  return {
    resource: {
      apiVersion: heraldApiVersion,
      kind: 'BGPInstance',
      metadata: { name: instanceName },
      spec,
    },
    source: file,
    sourceFields: {
      spec: 'global.config',
      'spec.asn': 'global.config.as',
      'spec.routerId': 'global.config.router-id',
      'spec.listenPort': 'global.config.port',
      'spec.nodeSelector': 'global',
      'spec.rpki': 'rpki-servers',
      'spec.mrt': 'mrt-dump',
      'spec.bmpStations': 'bmp-servers',
    },
  }
}

/** A file of each kind; for more of them the problems say so. */
function mrtOf(file: GobgpFile, problems: Problem[]): Pick<BGPInstanceSpec, 'mrt'> {
  const mrt: NonNullable<BGPInstanceSpec['mrt']> = {}
  for (const [i, { config }] of (file.spec['mrt-dump'] ?? []).entries()) {
    const { 'dump-type': type, 'file-name': name } = config
    if (type === 'updates' ? mrt.updates !== undefined : mrt.rib !== undefined) {
      problems.push({
        rule: 'Unsupported',
        message: `${type === 'updates' ? 'messages are' : 'the table is'} dumped to one file, so this one is left out`,
        hint: 'remove it',
        object: refOf(file),
        field: `mrt-dump[${i}]`,
      })
    } else if (type === 'updates') {
      const rotate = config['rotation-interval'] || 0
      mrt.updates =
        rotate === 0
          ? { file: name.replaceAll('%', '%%'), rotateSeconds: longestRotation }
          : { file: timePattern(name), rotateSeconds: rotate }
    } else {
      mrt.rib = {
        file: name.replaceAll('%', '%%'),
        intervalSeconds: config['dump-interval'] || dumpInterval,
      }
    }
  }
  return mrt.updates === undefined && mrt.rib === undefined ? {} : { mrt }
}

/** A file that GoBGP never ends is begun anew, and appended to, this often. */
const longestRotation = 604800
const dumpInterval = 60

/** Go writes the parts of a time as those of 2006-01-02 15:04:05. */
function timePattern(name: string): string {
  const parts: Record<string, string> = {
    '2006': '%Y',
    '01': '%m',
    '02': '%d',
    '15': '%H',
    '04': '%M',
    '05': '%S',
    '%': '%%',
  }
  return name.replaceAll(/2006|0[1245]|15|%/g, (part) => parts[part] ?? part)
}

/** GoBGP has it by neighbour; a reflector has one (RFC 4456 §7). */
function clusterIdOf(file: GobgpFile, problems: Problem[]): string | undefined {
  const found = new Map<string, string>()
  for (const list of ['neighbors', 'peer-groups'] as const) {
    for (const [i, one] of (file.spec[list] ?? []).entries()) {
      const id = clusterAddress(one['route-reflector']?.config?.['route-reflector-cluster-id'] ?? '')
      if (id !== '0.0.0.0' && !found.has(id))
        found.set(id, `${list}[${i}].route-reflector.config.route-reflector-cluster-id`)
    }
  }
  const [first, ...others] = [...found]
  for (const [id, field] of others) {
    problems.push({
      rule: 'Unsupported',
      message: `the speaker has the one cluster ID ${first?.[0] ?? ''}, so ${id} has no effect`,
      hint: 'give all clients the same cluster ID',
      object: refOf(file),
      field,
    })
  }
  return first?.[0]
}

/** It may be written as a number. */
function clusterAddress(text: string): string {
  if (!/^\d*$/.test(text)) return text
  const value = Number(text)
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.')
}
