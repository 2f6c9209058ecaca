/**
 * What runs in a lab's pod in place of its image: answers HTTP on the ports given with the pod's and its node's name.
 * Plain JavaScript and nothing imported beside node:http, so that it starts in some tens of milliseconds.
 */
import { createServer } from 'node:http'

const [pod, node, ...ports] = process.argv.slice(2)

for (const port of ports) {
  const server = createServer((request, response) => {
    // Whom the pod sees shows whether the source address was kept.
    const from = request.socket.remoteAddress?.replace(/^::ffff:/, '')
    response.writeHead(200, { 'content-type': 'text/plain', connection: 'close' })
    response.end(request.url === '/source' ? `${from}\n` : `pod ${pod} node ${node}\n`)
  })
  server.on('error', (error) => {
    console.error(`port ${port}: ${error.message}`)
    process.exit(1)
  })
  // One socket for both IP versions.
  server.listen({ host: '::', port: Number(port), ipv6Only: false })
}

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0))
