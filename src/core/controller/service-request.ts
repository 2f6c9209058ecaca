/** Services → requests for addresses: class, annotations, IP families, sharing. */
import { canonicalJson } from '#core/lib/json.ts'
import type { Problem } from '#core/lib/reason.ts'
import { parseAddress, versionOf, type Address, type IpVersion } from '#core/net/address.ts'
import type { Request } from '#core/ipam/request.ts'
import type { Sharing } from '#core/ipam/sharing.ts'
import type { DerivedPool } from '#core/dialect/native-set.ts'
import type { Service } from '#core/schema/kubernetes.ts'
import { namespacedName, refOf, selectorMatches } from '#core/schema/object.ts'
import { servesClass, serviceLabels } from '#core/schema/service-labels.ts'

/** Annotations in order of preference: Herald's own, then those of the dialects obeyed. */
const annotations = {
  addresses: { native: ['herald.dev/addresses'], cilium: ['lbipam.cilium.io/ips', 'io.cilium/lb-ipam-ips'] },
  pools: { native: ['herald.dev/address-pools'], cilium: [] },
  sharingKey: {
    native: ['herald.dev/sharing-key'],
    cilium: ['lbipam.cilium.io/sharing-key', 'io.cilium/lb-ipam-sharing-key'],
  },
  sharingNamespaces: {
    native: ['herald.dev/sharing-cross-namespace'],
    cilium: ['lbipam.cilium.io/sharing-cross-namespace', 'io.cilium/lb-ipam-sharing-cross-namespace'],
  },
} as const

export interface ServiceRequest {
  request: Request
  /** The user's mistakes on the Service. Not empty: the request is frozen. */
  problems: Problem[]
}

/** Whether Herald gives this Service its addresses. */
export function wantsAddress(service: Service): boolean {
  return (
    service.spec?.type === 'LoadBalancer' &&
    servesClass(service) &&
    service.metadata.deletionTimestamp === undefined
  )
}

/** The addresses in the Service's status, each once. */
export function ingressAddresses(service: Service): Address[] {
  const found = new Set<Address>()
  for (const { ip } of service.status?.loadBalancer?.ingress ?? []) {
    const parsed = ip === undefined ? undefined : parseAddress(ip)
    if (parsed?.ok === true) found.add(parsed.value)
  }
  return [...found]
}

/** `held`: all addresses that the Service may have at this moment. */
export function requestOf(
  service: Service,
  held: Address[],
  pools: readonly DerivedPool[],
  dialects: readonly string[],
): ServiceRequest {
  const problems: Problem[] = []
  const labels = serviceLabels(service)
  const admitting = pools.filter(
    ({ resource: { spec } }) =>
      spec.serviceSelector === undefined || selectorMatches(spec.serviceSelector, labels),
  )
  const poolsAsked = annotation(service, 'pools', dialects)
  const named = poolsAsked === undefined ? [] : list(poolsAsked.text)
  for (const name of named) {
    if (!pools.some((pool) => isNamed(pool, name))) {
      problems.push({
        rule: 'UnknownName',
        message: `there is no valid pool "${name}"`,
        hint: 'create it, or mend the name',
        object: refOf(service),
        field: poolsAsked!.field,
      })
    }
  }
  const usable = named.length === 0 ? admitting : admitting.filter((p) => named.some((n) => isNamed(p, n)))
  const wanted = wantedOf(service, dialects, problems)
  const sharing = sharingOf(service, dialects)
  const born = Date.parse(service.metadata.creationTimestamp ?? '')
  const request: Request = {
    id: namespacedName(service),
    createdAt: Number.isNaN(born) ? 0 : born,
    ...familiesOf(service),
    held,
    wanted,
    pools: new Set(usable.map(({ resource }) => resource.metadata.name)),
    poolsByName: named.length > 0,
    ...(sharing === undefined ? {} : { sharing }),
    ...(problems.length === 0 ? {} : { frozen: true }),
  }
  return { request, problems }
}

/** What the annotation asks for, and the older `spec.loadBalancerIP`. */
function wantedOf(service: Service, dialects: readonly string[], problems: Problem[]): Address[] {
  const asked = annotation(service, 'addresses', dialects)
  const items: { text: string; field: string }[] =
    asked === undefined ? [] : list(asked.text).map((text) => ({ text, field: asked.field }))
  const single = service.spec?.loadBalancerIP
  if (single !== undefined && single !== '') items.push({ text: single, field: 'spec.loadBalancerIP' })
  const wanted = new Set<Address>()
  for (const { text, field } of items) {
    const parsed = parseAddress(text)
    if (parsed.ok) wanted.add(parsed.value)
    else {
      problems.push({
        rule: 'InvalidAddress',
        message: parsed.error,
        hint: 'write one address or several with commas between them',
        object: refOf(service),
        field,
      })
    }
  }
  return [...wanted]
}

function familiesOf({ spec }: Service): { versions: IpVersion[]; need: 'all' | 'any' } {
  const policy = spec?.ipFamilyPolicy ?? 'SingleStack'
  const fromClusterIPs = (spec?.clusterIPs ?? []).flatMap((text) => {
    const parsed = parseAddress(text)
    return parsed.ok ? [versionOf(parsed.value)] : []
  })
  const declared = (spec?.ipFamilies ?? []).map((family): IpVersion => (family === 'IPv6' ? 6 : 4))
  const known = [...new Set(declared.length > 0 ? declared : fromClusterIPs)]
  const first = known[0] ?? 4
  if (policy === 'SingleStack') return { versions: [first], need: 'all' }
  const both: IpVersion[] = [first, first === 4 ? 6 : 4]
  // A cluster of one IP version makes a Service that prefers two one of its own version.
  if (policy === 'PreferDualStack') return { versions: known.length === 1 ? known : both, need: 'any' }
  return { versions: both, need: 'all' }
}

function sharingOf(service: Service, dialects: readonly string[]): Sharing | undefined {
  const key = annotation(service, 'sharingKey', dialects)?.text.trim()
  if (key === undefined || key === '') return undefined
  const { spec } = service
  const selector = spec?.selector ?? {}
  return {
    key,
    namespace: service.metadata.namespace ?? 'default',
    otherNamespaces: list(annotation(service, 'sharingNamespaces', dialects)?.text ?? ''),
    ports: (spec?.ports ?? []).map(({ port, protocol = 'TCP' }) => ({ port, protocol })),
    localOnly: spec?.externalTrafficPolicy === 'Local',
    selector: Object.keys(selector).length === 0 ? '' : canonicalJson(selector),
  }
}

function annotation(
  service: Service,
  what: keyof typeof annotations,
  dialects: readonly string[],
): { text: string; field: string } | undefined {
  const { native, cilium } = annotations[what]
  for (const key of [...native, ...(dialects.includes('cilium') ? cilium : [])]) {
    const text = service.metadata.annotations?.[key]
    if (text !== undefined) return { text, field: `metadata.annotations["${key}"]` }
  }
  return undefined
}

/** Users know a pool by the name of the object that they wrote. */
function isNamed({ resource, source }: DerivedPool, name: string): boolean {
  return name === resource.metadata.name || name === source.metadata.name
}

function list(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}
