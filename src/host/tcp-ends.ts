/** The two ends of a socket of Node. */
import type net from 'node:net'
import os from 'node:os'
import type { TcpEnds } from '#core/net/tcp.ts'
import { addressOfOtherVersion, linkLocalBeside, parseSocketAddress } from './interfaces.ts'

/** `undefined`: the connection is gone already. */
export function endsOf(socket: net.Socket): TcpEnds | undefined {
  const local = parseSocketAddress(socket.localAddress ?? '')
  const remote = parseSocketAddress(socket.remoteAddress ?? '')
  const { localPort, remotePort } = socket
  if (local === undefined || remote === undefined || localPort === undefined || remotePort === undefined) {
    return undefined
  }
  const ends: TcpEnds = {
    localAddress: local.address,
    localPort,
    remoteAddress: remote.address,
    remotePort,
  }
  const zone = remote.zone ?? local.zone
  if (zone !== undefined) ends.interface = zone
  const interfaces = os.networkInterfaces()
  const other = addressOfOtherVersion(interfaces, local.address, zone)
  if (other !== undefined) ends.localAddressOtherVersion = other
  const linkLocal = linkLocalBeside(interfaces, local.address, remote.address)
  if (linkLocal !== undefined) ends.localLinkLocal = linkLocal
  return ends
}
