/** `cilium.io/bgp-virtual-router.<asn>` on a Node: router ID and port of one virtual router there. */
import { err, ok, type Result } from '#core/lib/result.ts'
import type { Problem } from '#core/lib/reason.ts'
import { parseAddress, versionOf, type Address } from '#core/net/address.ts'
import type { Node } from '#core/schema/kubernetes.ts'
import { refOf } from '#core/schema/object.ts'

export const annotationPrefix = 'cilium.io/bgp-virtual-router.'

export interface RouterSettings {
  routerId?: Address
  listenPort?: number
}

/** The path of the annotation inside the Node. */
export function annotationField(asn: number | string): string {
  return `metadata.annotations["${annotationPrefix}${asn}"]`
}

/** What the Node says for this ASN; without an annotation: nothing. */
export function settingsOn(node: Node, asn: number): Result<RouterSettings, Problem> {
  const text = node.metadata.annotations?.[annotationPrefix + asn]
  return text === undefined ? ok({}) : parseSettings(text, node, String(asn))
}

/**
 * The nodes with the last valid annotation in place of each that is not valid.
 * `previous`: what this function gave before.
 */
export function lastValidAnnotations(
  previous: readonly Node[],
  nodes: readonly Node[],
): { nodes: Node[]; problems: Problem[] } {
  const earlier = new Map(previous.map((node) => [node.metadata.name, node]))
  const problems: Problem[] = []
  const kept = nodes.map((node) => {
    let annotations = node.metadata.annotations ?? {}
    for (const [key, text] of Object.entries(annotations)) {
      if (!key.startsWith(annotationPrefix)) continue
      const asn = key.slice(annotationPrefix.length)
      const parsed = parseSettings(text, node, asn)
      const old = earlier.get(node.metadata.name)?.metadata.annotations?.[key]
      if (parsed.ok || old === undefined || !parseSettings(old, node, asn).ok) continue
      problems.push(parsed.error)
      annotations = { ...annotations, [key]: old }
    }
    return annotations === (node.metadata.annotations ?? annotations)
      ? node
      : { ...node, metadata: { ...node.metadata, annotations } }
  })
  return { nodes: kept, problems }
}

/** A comma list of `key=value`; of a key that is there twice the last counts, as in Cilium. */
function parseSettings(text: string, node: Node, asn: string): Result<RouterSettings, Problem> {
  const settings: RouterSettings = {}
  for (const part of text.split(',')) {
    const [key = '', value = '', ...more] = part.split('=').map((word) => word.trim())
    if (key === '' && value === '') continue
    if (more.length > 0) return wrong(`"${part}" is not key=value`, node, asn)
    switch (key) {
      case 'router-id': {
        const parsed = parseAddress(value)
        if (!parsed.ok || versionOf(parsed.value) === 6 || parsed.value === '0.0.0.0') {
          return wrong(`router-id "${value}" is not an IPv4 address`, node, asn)
        }
        settings.routerId = parsed.value
        break
      }
      case 'local-port':
        if (!/^\d{1,5}$/.test(value) || Number(value) < 1 || Number(value) > 65535) {
          return wrong(`local-port "${value}" is not a port (1 to 65535)`, node, asn)
        }
        settings.listenPort = Number(value)
        break
      default:
        return wrong(`"${key}" is neither router-id nor local-port`, node, asn)
    }
  }
  return ok(settings)
}

function wrong(message: string, node: Node, asn: string): { ok: false; error: Problem } {
  return err({
    rule: 'InvalidAnnotation',
    message,
    hint: 'write for example router-id=10.0.0.1,local-port=179',
    object: refOf(node),
    field: annotationField(asn),
    nodes: [node.metadata.name],
  })
}
