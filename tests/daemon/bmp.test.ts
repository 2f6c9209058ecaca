/** Two routers and a monitoring station in one namespace; what the station gets, as Wireshark reads it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { getJson } from '#api/contract/client.ts'
import { listSchema, peerRowSchema, stationRowSchema } from '#api/contract/contract.ts'
import { freePort } from '#host/free-port.ts'
import { find } from '#lab/lab.ts'
import { enterPrivateNetns } from '../contract/private-netns.ts'
import { dissect } from '../dissect.testing.ts'
import { resource, startRouter, timers } from '../router.testing.ts'
import { untilGiven } from '../until.testing.ts'

// Loopback addresses are no next hops.
const netns = enterPrivateNetns([
  'link set lo up',
  'addr add 192.0.2.1/32 dev lo',
  'addr add 192.0.2.2/32 dev lo',
])
if (!('unavailable' in netns)) after(netns.leave)

const skip =
  find('tshark') === undefined
    ? 'needs tshark: npm test installs it on Debian as root'
    : 'unavailable' in netns
      ? netns.unavailable
      : false

interface Station {
  server: Server
  port: number
  connections: { socket: Socket; chunks: Buffer[] }[]
}

async function station(): Promise<Station> {
  const connections: Station['connections'] = []
  const server = createServer((socket) => {
    const connection = { socket, chunks: [] as Buffer[] }
    connections.push(connection)
    socket.on('data', (chunk) => connection.chunks.push(chunk))
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port, connections }
}

/** The messages of a stream, with its first bytes. */
function messagesOf({ chunks }: Station['connections'][number]): Buffer[] {
  const bytes = Buffer.concat(chunks)
  const messages: Buffer[] = []
  for (let at = 0; at + 6 <= bytes.length;) {
    const end = at + bytes.readUInt32BE(at + 1)
    if (end > bytes.length) break
    messages.push(bytes.subarray(at, end))
    at = end
  }
  return messages
}

test(
  'RFC 7854, RFC 8671, RFC 9069: a station is told sessions and tables, and every byte dissects',
  { skip },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'herald-bmp-'))
    const { server, port, connections } = await station()
    const bgpPort = await freePort()
    const views = ['pre', 'post', 'adjOut', 'locRib']
    const routes = (prefixes: string[]) => [
      resource('BGPInstance', 'b', { asn: 4200000002, routerId: '192.0.2.2' }),
      resource('BGPPeer', 'a', {
        address: '192.0.2.1',
        sourceAddress: '192.0.2.2',
        port: bgpPort,
        asn: 65001,
        timers,
      }),
      resource('BGPAdvertisement', 'own', {
        prefixes,
        attributes: { med: 7, communities: { standard: ['65002:1'], large: ['65002:1:2'] } },
      }),
    ]
    const many = Array.from({ length: 300 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`)
    const a = startRouter(
      folder,
      'a',
      '192.0.2.1',
      resource('BGPInstance', 'edge', {
        asn: 65001,
        routerId: '192.0.2.1',
        listenPort: bgpPort,
        bmpStations: [{ address: '127.0.0.1', port, views, statisticsSeconds: 1 }],
      }),
      resource('BGPPeer', 'b', {
        address: '192.0.2.2',
        asn: 4200000002,
        passive: true,
        importRoutes: true,
        timers,
      }),
      resource('BGPAdvertisement', 'own', { prefixes: ['198.51.100.0/24', '2001:db8:100::/48'] }),
    )
    const b = startRouter(
      folder,
      'b',
      '192.0.2.2',
      ...routes(['203.0.113.0/24', '2001:db8:200::/48', ...many]),
    )
    try {
      const [first] = await untilGiven(
        'the station is connected to',
        async () => connections.length > 0 && connections,
      )
      const count = (type: number) => messagesOf(first!).filter((message) => message[5] === type).length
      await untilGiven('a session is told', async () => count(3) >= 2)
      await untilGiven('statistics are told', async () => count(1) > 0)
      await untilGiven('routes are told', async () => count(0) > 8)
      await untilGiven('all routes are here', async () => {
        const answer = await getJson(a.api, '/v1/peers', listSchema(peerRowSchema))
        return answer.ok && answer.value.items[0]?.families[0]?.accepted === 301
      })
      b.write(...routes(many))
      const before = count(0)
      await untilGiven('withdrawals are told', async () => count(0) >= before + 3)

      // The station goes away: the next connection begins with all that there is.
      first!.socket.destroy()
      const second = await untilGiven('it is connected to again', async () => connections[1])
      const types = () => messagesOf(second).map((message) => message[5])
      const row = await untilGiven('all is told again', async () => {
        const answer = await getJson(a.api, '/v1/stations', listSchema(stationRowSchema))
        return answer.ok && answer.value.items.find(({ state }) => state === 'up')
      })
      assert.deepEqual([row.instance, row.port, row.views], ['edge', port, views])
      assert.match(row.lastError?.message ?? '', /./)

      await b.stop()
      await untilGiven('the end of the session is told', async () => types().includes(2))
      await a.stop()
      await untilGiven('the station is left with a word', async () => types().at(-1) === 5)

      for (const connection of [first!, second]) {
        const { text, faults } = dissect(Buffer.concat(messagesOf(connection)), 11019, 'bmp')
        assert.equal(faults, '')
        for (const wanted of [
          /Type: Initiation Message/,
          /Type: Peer Up Notification/,
          ...(connection === first ? [/Type: Statistics Report/] : []),
          /Loc-RIB Instance Peer/i,
          /10\.1\.43\.0\/24/,
          /198\.51\.100\.0\/24/,
          /2001:db8:100::\/48/,
          /4200000002/,
          /Flags: 0x40, Post-policy/,
          /Flags: 0x50, Post-policy, Adj-RIB-Out/,
        ])
          assert.match(text, wanted)
      }
      const last = dissect(Buffer.concat(messagesOf(second)), 11019, 'bmp').text
      assert.match(last, /Type: Peer Down Notification/)
      assert.match(last, /Type: Termination Message/)
      assert.doesNotMatch(last, /203\.0\.113\.0\/24/, 'what was withdrawn is not in the second dump')
    } finally {
      await Promise.all([a.stop(), b.stop()])
      for (const { socket } of connections) socket.destroy()
      server.close()
      rmSync(folder, { recursive: true })
    }
  },
)
