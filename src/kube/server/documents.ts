/** The server's own documents: version, health, discovery, OpenAPI. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pathNotFound } from './api-error.ts'
import type { Cluster } from './cluster.ts'
import { aggregatedDiscovery, apiGroup, coreVersions, groupList, resourceList, version } from './discovery.ts'
import type { JsonObject } from './json.ts'
import { openapiV2, openapiV2Protobuf, openapiV3, openapiV3Index } from './openapi.ts'

// What is asked for as spec.v2@v1.0 is named with a dot in the answer: "@" may not stand in a media type (RFC 9110 §8.3.1).
const openapiV2ProtobufType = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'

/** Whether the path was one of these; if so, it is answered. `address`: `host:port` of the server, for clients that ask. */
export function answerDocument(
  { cluster: { registry }, address }: { cluster: Cluster; address: string },
  request: IncomingMessage,
  url: URL,
  response: ServerResponse,
): boolean {
  const parts = url.pathname.split('/').filter((part) => part !== '')
  const accept = request.headers.accept ?? ''
  const json = (document: JsonObject | undefined, type = 'application/json') => {
    if (document === undefined) throw pathNotFound()
    return send(response, type, JSON.stringify(document))
  }
  switch (parts[0]) {
    case 'version':
      return json(version)
    case 'healthz':
    case 'readyz':
    case 'livez':
      return send(response, 'text/plain; charset=utf-8', 'ok')
    case undefined:
      return json({
        paths: ['/api', '/apis', '/healthz', '/livez', '/openapi/v2', '/openapi/v3', '/readyz', '/version'],
      })
    case 'openapi':
      if (parts[1] === 'v2') {
        return accept.includes('protobuf')
          ? send(response, openapiV2ProtobufType, openapiV2Protobuf)
          : json(openapiV2)
      }
      if (parts[1] !== 'v3') return false
      if (parts.length === 2) return json(openapiV3Index(registry))
      return json(
        parts[2] === 'api'
          ? openapiV3(registry, '', parts[3] ?? '')
          : openapiV3(registry, parts[3] ?? '', parts[4] ?? ''),
      )
    case 'api':
    case 'apis': {
      const core = parts[0] === 'api'
      const aggregated = parts.length === 1 ? aggregatedVersion(accept) : undefined
      if (aggregated !== undefined) {
        const type = `application/json;g=apidiscovery.k8s.io;v=${aggregated};as=APIGroupDiscoveryList`
        const document = aggregatedDiscovery(registry, core, `apidiscovery.k8s.io/${aggregated}`)
        return json(document, type)
      }
      if (parts.length === 1) return json(core ? coreVersions(address) : groupList(registry))
      if (core) return parts.length === 2 ? json(resourceList(registry, '', parts[1]!)) : false
      if (parts.length === 2) return json(apiGroup(registry, parts[1]!))
      return parts.length === 3 ? json(resourceList(registry, parts[1]!, parts[2]!)) : false
    }
    default:
      return false
  }
}

/** The version of aggregated discovery that the client would take first, if any. */
function aggregatedVersion(accept: string): string | undefined {
  const match = /g=apidiscovery\.k8s\.io;v=(v2beta1|v2)\b/.exec(accept.replaceAll(' ', ''))
  return match?.[1]
}

function send(response: ServerResponse, type: string, body: string | Uint8Array): true {
  response.writeHead(200, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
  return true
}
