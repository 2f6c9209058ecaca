/**
 * The topology file: what a lab consists of, as its author writes it. Read and checked here; `wiring.ts` makes
 * namespaces, links and routes of it.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { parseAddress, versionOf, type Address } from '#core/net/address.ts'
import { covers, lengthOf, parsePrefix, prefixVersion, type Prefix } from '#core/net/prefix.ts'
import type { Problem } from '#core/lib/reason.ts'
import { err, ok, type Result } from '#core/lib/result.ts'

/** DNS label, so that `<lab>.<machine>` names a namespace without doubt. */
const name = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, 'lower-case letters, digits and dashes')
  .max(40)

const address = z.string().transform((text, context): Address => {
  const parsed = parseAddress(text)
  if (parsed.ok) return parsed.value
  context.addIssue({ code: 'custom', message: parsed.error })
  return z.NEVER
})

const prefix = z.string().transform((text, context): Prefix => {
  const parsed = parsePrefix(text, { strict: true })
  if (parsed.ok) return parsed.value
  context.addIssue({ code: 'custom', message: parsed.error })
  return z.NEVER
})

const asn = z.int().min(1).max(4_294_967_295)

/** Network name → own addresses on it. */
const attachments = z.record(z.string(), z.array(address).min(1))

const nodeSchema = z.strictObject({
  networks: attachments,
  podCIDRs: z.array(prefix).min(1).describe('One per IP version'),
  labels: z.record(z.string(), z.string()).default({}),
  taints: z
    .array(z.strictObject({ key: z.string(), value: z.string().optional(), effect: z.string() }))
    .default([]),
})

const clusterSchema = z.strictObject({
  dialects: z
    .array(z.enum(['cilium']))
    .default([])
    .describe('Foreign resources that Herald obeys here'),
  crds: z
    .array(z.string())
    .default([])
    .describe('Files or folders of definitions, applied before Herald starts'),
  podSubnets: z.array(prefix).min(1),
  serviceSubnets: z.array(prefix).min(1),
  gateways: z
    .array(address)
    .default([])
    .describe('Default gateways of the nodes, at most one per IP version'),
  nodes: z.record(name, nodeSchema),
})

const neighborSchema = z.strictObject({
  address,
  asn,
  families: z.array(z.enum(['ipv4/unicast', 'ipv6/unicast'])).default(['ipv4/unicast']),
})

const routerSchema = z.strictObject({
  engine: z.enum(['bird', 'frr', 'gobgp', 'openbgpd', 'exabgp', 'herald']),
  networks: attachments,
  gateways: z.array(address).default([]),
  config: z.string().describe('Configuration file of the engine, beside the topology file'),
  asn: asn.describe('For the simulator, which does not read the engine’s own file'),
  routerId: address,
  neighbors: z.array(neighborSchema).default([]),
})

const clientSchema = z.strictObject({
  networks: attachments,
  gateways: z.array(address).default([]),
})

const manifestSchema = z.strictObject({
  cluster: z.string(),
  file: z.string().describe('YAML beside the topology file, applied as by kubectl apply -f'),
})

const topologySchema = z.strictObject({
  name,
  title: z.string().default(''),
  networks: z.record(name, z.strictObject({ subnets: z.array(prefix).min(1) })),
  clusters: z.record(name, clusterSchema).default({}),
  routers: z.record(name, routerSchema).default({}),
  clients: z.record(name, clientSchema).default({}),
  manifests: z.array(manifestSchema).default([]),
})

export type Topology = z.output<typeof topologySchema> & {
  /** The folder that the file lies in; its paths are relative to it. */
  folder: string
}
export type ClusterTopology = z.output<typeof clusterSchema>
export type NodeTopology = z.output<typeof nodeSchema>
export type RouterTopology = z.output<typeof routerSchema>
export type Engine = RouterTopology['engine']

/** Reads `path`, a topology file or the folder of a `topology.yaml`. A problem's `field` is the path inside the file. */
export function loadTopology(path: string): Result<Topology, Problem[]> {
  const file = existsSync(path) && statSync(path).isDirectory() ? join(path, 'topology.yaml') : path
  if (!existsSync(file)) {
    const message = `there is no topology file ${file}`
    return err([
      { rule: 'NoTopology', message, hint: 'name a folder with a topology.yaml, e.g. labs/cilium-bird' },
    ])
  }
  return parseTopology(readFileSync(file, 'utf8'), resolve(dirname(file)))
}

/** `folder`: absolute, what the paths in the text are relative to. Files that it names must exist. */
export function parseTopology(text: string, folder: string): Result<Topology, Problem[]> {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines })
  if (document.errors.length > 0) {
    return err(document.errors.map(({ message }) => ({ rule: 'NotYaml', message: message.split('\n')[0]! })))
  }
  const parsed = topologySchema.safeParse(document.toJS())
  if (!parsed.success) return err(parsed.error.issues.flatMap(problemsOf))
  const topology = { ...parsed.data, folder }
  const problems = inconsistencies(topology)
  return problems.length > 0 ? err(problems) : ok(topology)
}

function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  const at = (path: readonly PropertyKey[]) => path.map(String).join('.')
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      rule: 'UnknownKey',
      field: at([...issue.path, key]),
      message: `there is no such key as "${key}"`,
      hint: hintFor(issue.path),
    }))
  }
  return [{ rule: 'BadTopology', field: at(issue.path), message: issue.message }]
}

/** The keys that may stand at `path`. */
function hintFor(path: readonly PropertyKey[]): string {
  const schemas: Record<string, z.ZodObject> = {
    clusters: clusterSchema,
    routers: routerSchema,
    clients: clientSchema,
    manifests: manifestSchema,
  }
  const section = String(path[0])
  const schema =
    path.length === 0
      ? topologySchema
      : path.includes('nodes')
        ? nodeSchema
        : path.includes('neighbors')
          ? neighborSchema
          : schemas[section]
  return `the keys here are ${schema === undefined ? 'subnets' : Object.keys(schema.shape).join(', ')}`
}

interface Machine {
  field: string
  networks: Record<string, Address[]>
  gateways: Address[]
}

/** All machines of a topology with their place in the file. */
function machinesOf(topology: Topology): Machine[] {
  const machines: Machine[] = []
  for (const [cluster, { nodes, gateways }] of Object.entries(topology.clusters))
    for (const [node, { networks }] of Object.entries(nodes))
      machines.push({ field: `clusters.${cluster}.nodes.${node}`, networks, gateways })
  for (const [router, { networks, gateways }] of Object.entries(topology.routers))
    machines.push({ field: `routers.${router}`, networks, gateways })
  for (const [client, { networks, gateways }] of Object.entries(topology.clients))
    machines.push({ field: `clients.${client}`, networks, gateways })
  return machines
}

/** What a schema cannot say: names that must exist, addresses that must fit. */
function inconsistencies(topology: Topology): Problem[] {
  const problems: Problem[] = []
  const complain = (field: string, message: string, hint?: string) =>
    problems.push({ rule: 'BadTopology', field, message, ...(hint === undefined ? {} : { hint }) })
  const machineNames = new Map<string, string>()
  const addresses = new Map<string, string>()
  for (const { field, networks, gateways } of machinesOf(topology)) {
    const machine = field.slice(field.lastIndexOf('.') + 1)
    const namesake = machineNames.get(machine)
    if (namesake !== undefined) complain(field, `${machine} is also the name of ${namesake}`)
    machineNames.set(machine, field)
    const own: Prefix[] = []
    for (const [network, list] of Object.entries(networks)) {
      const subnets = topology.networks[network]?.subnets
      if (subnets === undefined) {
        complain(
          `${field}.networks.${network}`,
          'there is no such network',
          `networks: ${Object.keys(topology.networks).join(', ')}`,
        )
        continue
      }
      own.push(...subnets)
      for (const address of list) {
        if (!subnets.some((subnet) => covers(subnet, address)))
          complain(`${field}.networks.${network}`, `${address} lies outside ${subnets.join(' and ')}`)
        const other = addresses.get(address)
        if (other !== undefined)
          complain(`${field}.networks.${network}`, `${address} is also an address of ${other}`)
        addresses.set(address, field)
      }
    }
    for (const gateway of gateways)
      if (!own.some((subnet) => covers(subnet, gateway)))
        complain(`${field}.gateways`, `the gateway ${gateway} is on no network of this machine`)
    if (new Set(gateways.map(versionOf)).size < gateways.length)
      complain(`${field}.gateways`, 'more than one gateway of an IP version')
  }
  for (const [name, { crds }] of Object.entries(topology.clusters))
    crds.forEach((file, index) => {
      if (!existsSync(resolve(topology.folder, file)))
        complain(`clusters.${name}.crds[${index}]`, `there is no file ${resolve(topology.folder, file)}`)
    })
  for (const [name, cluster] of Object.entries(topology.clusters))
    for (const [node, { podCIDRs }] of Object.entries(cluster.nodes)) {
      const field = `clusters.${name}.nodes.${node}.podCIDRs`
      for (const cidr of podCIDRs)
        if (!cluster.podSubnets.some((subnet) => covers(subnet, cidr)))
          complain(field, `${cidr} lies outside the pod subnets ${cluster.podSubnets.join(' and ')}`)
        else if (lengthOf(cidr) > (prefixVersion(cidr) === 4 ? 30 : 126))
          complain(field, `${cidr} is too small for pods`)
    }
  for (const [name, router] of Object.entries(topology.routers))
    if (!existsSync(resolve(topology.folder, router.config)))
      complain(`routers.${name}.config`, `there is no file ${resolve(topology.folder, router.config)}`)
  topology.manifests.forEach(({ cluster, file }, index) => {
    if (topology.clusters[cluster] === undefined)
      complain(
        `manifests[${index}].cluster`,
        `there is no cluster "${cluster}"`,
        `clusters: ${Object.keys(topology.clusters).join(', ')}`,
      )
    if (!existsSync(resolve(topology.folder, file)))
      complain(`manifests[${index}].file`, `there is no file ${resolve(topology.folder, file)}`)
  })
  return problems
}
