/** What a path names: a resource, a collection, a subresource, or one of the server's own documents. */
export interface ResourceRoute {
  group: string
  version: string
  /** Undefined: cluster-scoped, or all namespaces. */
  namespace: string | undefined
  plural: string
  name: string | undefined
  subresource: string | undefined
}

/** Undefined when the path is not that of a resource. */
export function parseRoute(pathname: string): ResourceRoute | undefined {
  const parts = decode(pathname)
  if (parts === undefined) return undefined
  const core = parts[0] === 'api'
  if (!core && parts[0] !== 'apis') return undefined
  const group = core ? '' : (parts[1] ?? '')
  const version = core ? parts[1] : parts[2]
  const rest = parts.slice(core ? 2 : 3)
  if (version === undefined || rest.length === 0) return undefined
  // `namespaces/x/status` is the subresource of a namespace, `namespaces/x/pods` a collection in it.
  const inNamespace =
    rest[0] === 'namespaces' && rest.length >= 3 && !['status', 'finalize'].includes(rest[2]!)
  const namespace = inNamespace ? rest[1] : undefined
  const [plural, name, subresource, ...more] = inNamespace ? rest.slice(2) : rest
  if (plural === undefined || more.length > 0) return undefined
  return { group, version, namespace, plural, name, subresource }
}

function decode(pathname: string): string[] | undefined {
  try {
    const parts = pathname.split('/').slice(1).map(decodeURIComponent)
    return parts.some((part) => part === '') ? undefined : parts
  } catch {
    return undefined
  }
}
