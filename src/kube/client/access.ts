/** How to reach one Kubernetes API server and prove who one is: what a kubeconfig or a service account comes down to. */
import { urlHost } from '#core/net/address.ts'

/** Where requests go. A Unix socket speaks plain HTTP. */
export type Endpoint =
  | { kind: 'tcp'; protocol: 'http:' | 'https:'; host: string; port: number; basePath: string }
  | { kind: 'unix'; path: string }

export interface ClusterAccess {
  endpoint: Endpoint
  tls: TlsAccess
  /** Where this came from, for people: `context kind-cilium of /root/.kube/config`. */
  origin: string
  /** Namespace to work in where none is given. */
  namespace: string
  /** What to prove oneself with on the next connection. Rejects with a message for people. */
  credentials(): Promise<Credentials>
  /** The server refused the last credentials (401): the next `credentials()` must not answer from a cache. */
  credentialsRefused(): void
}

export interface TlsAccess {
  /** PEM; absent: the certificates that Node trusts. */
  ca?: string
  /** Do not verify the server's certificate. */
  insecure: boolean
  /** Name to verify instead of the host. */
  serverName?: string
}

export interface Credentials {
  /** Value of the Authorization header. */
  authorization?: string
  /** PEM. */
  certificate?: string
  /** PEM. */
  key?: string
}

/** Accepts `https://host[:port][/path]`, `http://…`, `unix:///path/to.sock` and `unix:/path/to.sock`. */
export function parseEndpoint(server: string): Endpoint | undefined {
  const unix = /^(?:http\+)?unix:(?:\/\/)?(\/.+)$/.exec(server)
  if (unix !== null) return { kind: 'unix', path: decodeURIComponent(unix[1]!) }
  let url: URL
  try {
    url = new URL(server.includes('://') ? server : `https://${server}`)
  } catch {
    return undefined
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return undefined
  return {
    kind: 'tcp',
    protocol: url.protocol,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port),
    basePath: url.pathname.replace(/\/+$/, ''),
  }
}

/** As {@link parseEndpoint} takes it. */
export function showEndpoint(endpoint: Endpoint): string {
  if (endpoint.kind === 'unix') return `unix://${endpoint.path}`
  return `${endpoint.protocol}//${urlHost(endpoint.host)}:${endpoint.port}${endpoint.basePath}`
}
