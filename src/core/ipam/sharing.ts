/** Which requests may have the same address. */

export interface Sharing {
  key: string
  namespace: string
  /** Other namespaces to share with; both sides must agree. `*`: all. */
  otherNamespaces: string[]
  ports: { protocol: string; port: number }[]
  /** Traffic goes to endpoints of the receiving node only. */
  localOnly: boolean
  /** Canonical text of what selects the endpoints; empty: nothing does. */
  selector: string
}

/** Why two requests may not have the same address. */
export type SharingConflict =
  /** At least one of them shares with nobody. */
  | { kind: 'notShared' }
  | { kind: 'key' }
  | { kind: 'namespace' }
  | { kind: 'port'; protocol: string; port: number }
  | { kind: 'trafficPolicy' }
  /** Both send to local endpoints only, and not to the same ones: the address would lead to a node without endpoints. */
  | { kind: 'selector' }

/** Symmetric. Undefined: they may share. */
export function sharingConflict(a: Sharing | undefined, b: Sharing | undefined): SharingConflict | undefined {
  if (a === undefined || b === undefined) return { kind: 'notShared' }
  if (a.key !== b.key) return { kind: 'key' }
  if (a.namespace !== b.namespace && !(admits(a, b.namespace) && admits(b, a.namespace)))
    return { kind: 'namespace' }
  for (const { protocol, port } of a.ports) {
    if (b.ports.some((other) => other.port === port && other.protocol === protocol))
      return { kind: 'port', protocol, port }
  }
  if (a.localOnly !== b.localOnly) return { kind: 'trafficPolicy' }
  if (a.localOnly && (a.selector === '' || a.selector !== b.selector)) return { kind: 'selector' }
  return undefined
}

function admits(sharing: Sharing, namespace: string): boolean {
  return sharing.otherNamespaces.includes('*') || sharing.otherNamespaces.includes(namespace)
}
