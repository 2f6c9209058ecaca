/** TCP sockets of Linux with the options that BGP asks for, as file descriptors. Each function throws SystemError. */
import { addressBytes, versionOf, type Address, type IpVersion } from '#core/net/address.ts'
import { md5KeyBytesMax } from '#core/net/tcp.ts'
import {
  AF_INET,
  AF_INET6,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_TCLASS,
  IPV6_UNICAST_HOPS,
  IPV6_V6ONLY,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SystemError,
  TCP_MD5SIG,
  libc,
} from './libc.ts'

/** DSCP CS6, which routers give to routing protocols (RFC 4594 §3.1). */
const trafficClass = 0xc0

/** A TCP socket, neither bound nor connected. */
export function openSocket(version: IpVersion): number {
  const fd = libc().socket(version === 4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (version === 4) setInteger(fd, IPPROTO_IP, IP_TOS, trafficClass)
  else setInteger(fd, IPPROTO_IPV6, IPV6_TCLASS, trafficClass)
  return fd
}

/** One bound socket for a listener. IPv4 and IPv6 never share one: an IPv6 socket takes no MD5 key for an IPv4 address. */
export function openListeningSocket(version: IpVersion, address: Address, port: number): number {
  const fd = openSocket(version)
  try {
    setInteger(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    if (version === 6) setInteger(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)
    bindSocket(fd, address, port, 0)
  } catch (error) {
    libc().close(fd)
    throw error
  }
  return fd
}

/** `scope`: index of the interface for a link-local address, else 0. */
export function bindSocket(fd: number, address: Address, port: number, scope: number): void {
  libc().bind(fd, socketAddress(address, port, scope))
}

/** The local port of a bound socket: the one that the kernel chose for port 0. */
export function boundPort(fd: number): number {
  const bytes = new Uint8Array(28)
  libc().getsockname(fd, bytes)
  return (bytes[2]! << 8) | bytes[3]!
}

/** IP TTL or hop limit of packets sent, 1..255. */
export function setTtl(fd: number, version: IpVersion, ttl: number): void {
  if (version === 4) setInteger(fd, IPPROTO_IP, IP_TTL, ttl)
  else setInteger(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl)
}

/** Sets or replaces the TCP MD5 key for one neighbour (RFC 2385); an empty key deletes it. */
export function setMd5Key(fd: number, address: Address, key: Uint8Array): void {
  // struct tcp_md5sig: sockaddr_storage[128], flags u8, prefixlen u8, keylen u16, ifindex i32, key[80].
  const bytes = new Uint8Array(216)
  bytes.set(socketAddress(address, 0, 0), 0)
  new DataView(bytes.buffer).setUint16(130, key.length, littleEndian)
  bytes.set(key.subarray(0, md5KeyBytesMax), 136)
  try {
    libc().setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, bytes)
  } catch (error) {
    const alreadyGone = key.length === 0 && error instanceof SystemError && error.code === 'ENOENT'
    if (!alreadyGone) throw error
  }
}

/** Every architecture that Node supports Linux on, except s390x. */
const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

function setInteger(fd: number, level: number, option: number, value: number): void {
  libc().setsockopt(fd, level, option, new Uint8Array(Int32Array.of(value).buffer))
}

/** struct sockaddr_in (16 bytes) or sockaddr_in6 (28 bytes). */
function socketAddress(address: Address, port: number, scope: number): Uint8Array {
  const version = versionOf(address)
  const bytes = new Uint8Array(version === 4 ? 16 : 28)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, version === 4 ? AF_INET : AF_INET6, littleEndian)
  view.setUint16(2, port)
  bytes.set(addressBytes(address), version === 4 ? 4 : 8)
  if (version === 6) view.setUint32(24, scope, littleEndian)
  return bytes
}
