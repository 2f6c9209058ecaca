/** TCP sockets of Linux with the options that BGP asks for, as file descriptors. Each function throws SystemError. */
import { addressBits, addressBytes, versionOf, type Address, type IpVersion } from '#core/net/address.ts'
import { md5KeyBytesMax, type AuthenticationKey } from '#core/net/tcp.ts'
import {
  AF_INET,
  AF_INET6,
  IP_MINTTL,
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPPROTO_ICMPV6,
  IPV6_ADD_MEMBERSHIP,
  IPV6_MINHOPCOUNT,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_IF,
  IPV6_MULTICAST_LOOP,
  IPV6_TCLASS,
  IPV6_UNICAST_HOPS,
  IPV6_V6ONLY,
  SO_BINDTODEVICE,
  SO_DETACH_FILTER,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_SOCKET,
  SystemError,
  TCP_AO_ADD_KEY,
  TCP_AO_DEL_KEY,
  TCP_MD5SIG,
  TCP_MD5SIG_EXT,
  libc,
} from './libc.ts'
import { assembled, dropAll, type Instruction } from './packet-filter.ts'

/** DSCP CS6, which routers give to routing protocols (RFC 4594 §3.2). */
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
    // The answer to a neighbour's first packet is the listener's, and RFC 5082 §3 may have the neighbour look at it.
    setTtl(fd, version, 255)
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

/** Drops packets with a lower TTL or hop limit (RFC 5082 §3); 0: drops none. */
export function setMinTtl(fd: number, version: IpVersion, ttl: number): void {
  if (version === 4) setInteger(fd, IPPROTO_IP, IP_MINTTL, ttl)
  else setInteger(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, ttl)
}

/** The socket and those accepted on it from now on see what the filter passes; an empty one passes all. */
export function setFilter(fd: number, filter: readonly Instruction[]): void {
  if (filter.length > 0) {
    libc().attachFilter(fd, assembled(filter))
    return
  }
  try {
    setInteger(fd, SOL_SOCKET, SO_DETACH_FILTER, 0)
  } catch (error) {
    if (!(error instanceof SystemError && error.code === 'ENOENT')) throw error
  }
}

/** Packets leave and come by this interface alone. */
export function bindToInterface(fd: number, name: string): void {
  libc().setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, new TextEncoder().encode(`${name}\0`))
}

/** A socket to send router messages (RFC 4861) by one interface. It reads nothing. `index`: of the interface. */
export function openRouterSocket(name: string, index: number): number {
  const fd = libc().socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6)
  try {
    // RFC 4861 §4.1, §4.2: receivers drop what has another hop limit.
    setInteger(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 255)
    setInteger(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 255)
    setInteger(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, index)
    setInteger(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0)
    bindToInterface(fd, name)
    setFilter(fd, [dropAll])
    return fd
  } catch (error) {
    libc().close(fd)
    throw error
  }
}

/** Has the interface pass on what is sent to a group. */
export function joinGroup(fd: number, group: Address, index: number): void {
  const request = new Uint8Array(20)
  request.set(addressBytes(group), 0)
  new DataView(request.buffer).setInt32(16, index, littleEndian)
  libc().setsockopt(fd, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, request)
}

/** The kernel adds the checksum and the interface's link-local address. */
export function sendRouterMessage(fd: number, to: Address, index: number, message: Uint8Array): void {
  libc().sendto(fd, message, 0, socketAddress(to, 0, index))
}

/**
 * Sets or replaces the TCP MD5 key (RFC 2385) for the neighbours whose addresses begin with `prefixLength` bits of
 * `address`; the longest match counts. An empty key deletes it.
 */
export function setMd5Key(fd: number, address: Address, prefixLength: number, key: Uint8Array): void {
  const single = prefixLength === addressBits(versionOf(address))
  try {
    // A kernel that knows no ranges still takes keys for one neighbour each.
    const option = single ? TCP_MD5SIG : TCP_MD5SIG_EXT
    libc().setsockopt(fd, IPPROTO_TCP, option, md5Signature(address, single ? undefined : prefixLength, key))
  } catch (error) {
    const alreadyGone = key.length === 0 && error instanceof SystemError && error.code === 'ENOENT'
    if (!alreadyGone) throw error
  }
}

/** Adds a TCP-AO key (RFC 5925 §3.1) for the neighbours whose addresses begin with `prefixLength` bits of `address`. */
export function addAoKey(fd: number, address: Address, prefixLength: number, key: AuthenticationKey): void {
  libc().setsockopt(fd, IPPROTO_TCP, TCP_AO_ADD_KEY, aoKeyToAdd(address, prefixLength, key))
}

export function deleteAoKey(fd: number, address: Address, prefixLength: number, keyId: number): void {
  libc().setsockopt(fd, IPPROTO_TCP, TCP_AO_DEL_KEY, aoKeyToDelete(address, prefixLength, keyId))
}

/** struct tcp_md5sig: sockaddr_storage[128], flags u8, prefixlen u8, keylen u16, ifindex i32, key[80]. */
function md5Signature(address: Address, prefixLength: number | undefined, key: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(216)
  bytes.set(socketAddress(address, 0, 0), 0)
  if (prefixLength !== undefined) {
    bytes[128] = TCP_MD5SIG_FLAG_PREFIX
    bytes[129] = prefixLength
  }
  new DataView(bytes.buffer).setUint16(130, key.length, littleEndian)
  bytes.set(key.subarray(0, md5KeyBytesMax), 136)
  return bytes
}

/**
 * struct tcp_ao_add: sockaddr_storage[128], alg_name[64], ifindex i32, set_current:1 set_rnext:1 of u32, reserved u16,
 * prefix u8, sndid u8, rcvid u8, maclen u8, keyflags u8, keylen u8, key[80].
 */
export function aoKeyToAdd(
  address: Address,
  prefixLength: number,
  { keyId, algorithm, key }: AuthenticationKey,
): Uint8Array {
  const bytes = new Uint8Array(288)
  bytes.set(socketAddress(address, 0, 0), 0)
  // RFC 5926 §3.2: both leave 96 bits of code in the option.
  bytes.set(new TextEncoder().encode(algorithm === 'hmac-sha-1-96' ? 'hmac(sha1)' : 'cmac(aes128)'), 128)
  const octets = new TextEncoder().encode(key)
  bytes.set([prefixLength, keyId, keyId, aoCodeBytes, 0, octets.length], 202)
  bytes.set(octets.subarray(0, TCP_AO_MAXKEYLEN), 208)
  return bytes
}

/**
 * struct tcp_ao_del: sockaddr_storage[128], ifindex i32, set_current:1 set_rnext:1 del_async:1 of u32, reserved u16, prefix
 * u8, sndid u8, rcvid u8, current_key u8, rnext u8, keyflags u8; padded to 8.
 */
export function aoKeyToDelete(address: Address, prefixLength: number, keyId: number): Uint8Array {
  const bytes = new Uint8Array(144)
  bytes.set(socketAddress(address, 0, 0), 0)
  bytes.set([prefixLength, keyId, keyId], 138)
  return bytes
}

const aoCodeBytes = 12
const TCP_AO_MAXKEYLEN = 80
const TCP_MD5SIG_FLAG_PREFIX = 1

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
