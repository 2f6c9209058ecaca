/** Whole IP packets as they come to this machine, whatever they are for: a packet socket that Node reads. */
import net from 'node:net'
import { AF_PACKET, AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM, libc } from './libc.ts'
import type { Instruction } from './packet-filter.ts'
import { setFilter } from './socket-linux.ts'

const ETH_P_ALL = 3

/** Longest packet that is read; what is longer is cut. */
const packetBytes = 2048

export interface PacketSocket {
  close(): void
}

/**
 * Gives every packet that passes the filter, from its IP header on, in an array that is overwritten after the call.
 * `interfaceName`: packets of this one only; absent: of all. Throws SystemError, EPERM without CAP_NET_RAW. `ended`: the
 * kernel took the socket away, e.g. because the interface is gone; nothing follows.
 */
export function openPacketSocket(
  { filter, interfaceName }: { filter: readonly Instruction[]; interfaceName?: string },
  handlers: { packet: (packet: Uint8Array) => void; ended: (reason: string) => void },
): PacketSocket {
  const flags = SOCK_NONBLOCK | SOCK_CLOEXEC
  // Of no protocol until the filter is there, so that nothing comes in before.
  const fd = libc().socket(AF_PACKET, SOCK_DGRAM | flags, 0)
  let socket: net.Socket
  try {
    setFilter(fd, filter)
    libc().bind(fd, linkAddress(interfaceName === undefined ? 0 : libc().ifNameToIndex(interfaceName)))
    // Node has no reader for packet sockets, but it reads a stream socket whose descriptor then becomes the packet socket.
    const [stream, other] = libc().socketpair(AF_UNIX, SOCK_STREAM | flags)
    const onread: net.OnReadOpts = {
      buffer: new Uint8Array(packetBytes),
      callback: (length, buffer) => {
        handlers.packet(buffer.subarray(0, length))
        return true
      },
    }
    const options = { fd: stream, onread, readable: true, writable: false, pauseOnCreate: true }
    socket = new net.Socket(options)
    libc().replace(fd, stream)
    libc().close(other)
  } finally {
    libc().close(fd)
  }
  let closed = false
  socket.on('error', (error) => {
    if (!closed) handlers.ended(error.message)
    closed = true
  })
  socket.resume()
  return {
    close() {
      closed = true
      socket.destroy()
    },
  }
}

/** struct sockaddr_ll: family u16, protocol u16 in network order, ifindex i32, and what only a sender needs. */
function linkAddress(index: number): Uint8Array {
  const bytes = new Uint8Array(20)
  new Uint16Array(bytes.buffer, 0, 1)[0] = AF_PACKET
  new DataView(bytes.buffer).setUint16(2, ETH_P_ALL)
  new Int32Array(bytes.buffer, 4, 1)[0] = index
  return bytes
}
