/** One HTTP request from inside a namespace: readiness probes, and what a client of the lab sees. */
import { request } from 'node:http'
import { err, ok, type Result } from '#core/lib/result.ts'
import { urlHost, type Address } from '#core/net/address.ts'
import { dialInside } from './namespaces.ts'

export interface HttpAnswer {
  status: number
  body: string
}

/** Resolves within `timeoutMs`; the error says what happened to the connection. */
export function httpGet(
  namespace: string,
  address: Address,
  port: number,
  { path = '/', timeoutMs = 1_000 } = {},
): Promise<Result<HttpAnswer>> {
  return new Promise((resolve) => {
    const host = `${urlHost(address)}:${port}`
    const call = request(
      {
        path,
        headers: { host, connection: 'close' },
        createConnection: () => dialInside(namespace, address, port),
        signal: AbortSignal.timeout(timeoutMs),
      },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (body += chunk))
        response.on('end', () => resolve(ok({ status: response.statusCode ?? 0, body })))
        response.on('error', (error) => resolve(err(error.message)))
      },
    )
    call.on('error', (error) =>
      resolve(
        err(
          error.name === 'AbortError' || error.name === 'TimeoutError'
            ? `no answer in ${timeoutMs} ms`
            : error.message,
        ),
      ),
    )
    call.end()
  })
}
