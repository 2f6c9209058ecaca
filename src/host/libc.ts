/**
 * The C library: the few calls that Node does not offer, through koffi. The only file that knows koffi. Every function
 * throws {@link SystemError} where C returns −1. Linux only: the constants are its numbers, and its structs are built by
 * `socket-linux.ts`.
 */
import { createRequire } from 'node:module'
import type * as Koffi from 'koffi'

export interface Libc {
  socket(domain: number, type: number, protocol: number): number
  bind(fd: number, address: Uint8Array): void
  close(fd: number): void
  sendto(fd: number, bytes: Uint8Array, flags: number, address: Uint8Array): void
  /** Gives the kernel bytes for a connected socket, and gives how many it took; −1: none, for whatever reason. Never waits. */
  send(fd: number, bytes: Uint8Array): number
  /** Two connected sockets of this machine. */
  socketpair(domain: number, type: number): [number, number]
  /** Makes `to`, which is open, another descriptor of what `from` is. */
  replace(from: number, to: number): void
  /** A second descriptor of the same socket. */
  dup(fd: number): number
  setsockopt(fd: number, level: number, option: number, value: Uint8Array): void
  /** Sets an option whose value is a program of classic BPF: 8 bytes an instruction. */
  attachFilter(fd: number, program: Uint8Array): void
  /** Fills `value` and gives the length that the kernel wrote. */
  getsockopt(fd: number, level: number, option: number, value: Uint8Array): number
  /** Fills `address` and gives the length that the kernel wrote. */
  getsockname(fd: number, address: Uint8Array): number
  /** Index of a network interface; 0: there is none of this name. */
  ifNameToIndex(name: string): number
  /** Moves the calling thread into new namespaces (`CLONE_NEWNET`). */
  unshare(flags: number): void
  /** Moves the calling thread into the namespace that `fd` names. */
  setns(fd: number, kind: number): void
  /** Gives pages that hold nothing but freed memory back to the system, from another thread. Nothing where the library has no such call. */
  trim(): Promise<void>
}

/** A call that the kernel refused. */
export class SystemError extends Error {
  override name = 'SystemError'
  /** `EADDRINUSE` and the like. */
  readonly code: string

  constructor(call: string, code: string) {
    super(`${call}: ${code}`)
    this.code = code
  }
}

/** This machine cannot do what was asked; the message ends with what to do about it. */
export class UnsupportedHost extends Error {
  override name = 'UnsupportedHost'
}

export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const AF_PACKET = 17
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_RAW = 3
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_BINDTODEVICE = 25
const SO_ATTACH_FILTER = 26
export const SO_DETACH_FILTER = 27
export const IPPROTO_IP = 0
export const IPPROTO_TCP = 6
export const IPPROTO_IPV6 = 41
export const IPPROTO_ICMPV6 = 58
export const IP_TOS = 1
export const IP_TTL = 2
export const IP_MINTTL = 21
export const IPV6_UNICAST_HOPS = 16
export const IPV6_MULTICAST_IF = 17
export const IPV6_MULTICAST_HOPS = 18
export const IPV6_MULTICAST_LOOP = 19
export const IPV6_ADD_MEMBERSHIP = 20
export const IPV6_V6ONLY = 26
export const IPV6_TCLASS = 67
export const IPV6_MINHOPCOUNT = 73
export const TCP_MD5SIG = 14
export const TCP_MD5SIG_EXT = 32
export const TCP_AO_ADD_KEY = 38
export const TCP_AO_DEL_KEY = 39
const F_DUPFD_CLOEXEC = 1030
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
export const CLONE_NEWNET = 0x4000_0000

let loaded: Libc | undefined

/** Loads the bindings at the first call. Throws {@link UnsupportedHost} where there is no Linux or no koffi. */
export function libc(): Libc {
  loaded ??= load()
  return loaded
}

function load(): Libc {
  if (process.platform !== 'linux') {
    throw new UnsupportedHost(
      `BGP sockets need Linux and this is ${process.platform}: run Herald in a Linux machine or container, or use the simulator`,
    )
  }
  let koffi: typeof Koffi
  try {
    koffi = createRequire(import.meta.url)('koffi') as typeof Koffi
  } catch (error) {
    throw new UnsupportedHost(
      `the npm package koffi cannot be loaded: run "npm install" with optional packages, or use the simulator`,
      { cause: error },
    )
  }
  // The symbols of the running process: they contain the C library under whatever file name it has.
  const library = koffi.load(null)
  const names = new Map(Object.entries(koffi.os.errno).map(([name, code]) => [code, name]))
  const bound = (signature: string) => {
    const call = library.func(signature) as (...values: unknown[]) => number
    const name = /(\w+)\(/.exec(signature)?.[1] ?? signature
    return (...values: unknown[]): number => {
      const result = call(...values)
      if (result >= 0) return result
      const code = koffi.errno()
      throw new SystemError(name, names.get(code) ?? `errno ${code}`)
    }
  }

  const socket = bound('int socket(int domain, int type, int protocol)')
  const socketpair = bound('int socketpair(int domain, int type, int protocol, void *pair)')
  const dup3 = bound('int dup3(int from, int to, int flags)')
  const bind = bound('int bind(int fd, void *address, uint32_t length)')
  const close = bound('int close(int fd)')
  const fcntl = bound('int fcntl(int fd, int command, int from)')
  const sendto = bound(
    'long sendto(int fd, void *bytes, size_t length, int flags, void *address, uint32_t addressLength)',
  )
  const send = library.func('long send(int fd, void *bytes, size_t length, int flags)') as (
    ...values: unknown[]
  ) => number
  const setsockopt = bound('int setsockopt(int fd, int level, int option, void *value, uint32_t length)')
  koffi.struct('sock_fprog', { len: 'uint16_t', filter: 'uint8_t *' })
  const attach = bound('int setsockopt(int fd, int level, int option, sock_fprog *program, uint32_t length)')
  const getsockopt = bound('int getsockopt(int fd, int level, int option, void *value, void *length)')
  const getsockname = bound('int getsockname(int fd, void *address, void *length)')
  const nametoindex = bound('unsigned int if_nametoindex(const char *name)')
  const unshare = bound('int unshare(int flags)')
  const setns = bound('int setns(int fd, int kind)')
  const trim = trimOf(library)

  return {
    socket,
    socketpair: (domain, type) => {
      const pair = new Int32Array(2)
      socketpair(domain, type, 0, pair)
      return [pair[0]!, pair[1]!]
    },
    replace: (from, to) => void dup3(from, to, SOCK_CLOEXEC),
    bind: (fd, address) => void bind(fd, address, address.length),
    close: (fd) => void close(fd),
    sendto: (fd, bytes, flags, address) =>
      void sendto(fd, bytes, bytes.length, flags, address, address.length),
    send: (fd, bytes) => send(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL),
    dup: (fd) => fcntl(fd, F_DUPFD_CLOEXEC, 0),
    setsockopt: (fd, level, option, value) => void setsockopt(fd, level, option, value, value.length),
    attachFilter: (fd, program) => {
      const value = { len: program.length / 8, filter: program }
      void attach(fd, SOL_SOCKET, SO_ATTACH_FILTER, value, 16)
    },
    getsockopt: (fd, level, option, value) => {
      const length = Uint32Array.of(value.length)
      getsockopt(fd, level, option, value, length)
      return length[0]!
    },
    getsockname: (fd, address) => {
      const length = Uint32Array.of(address.length)
      getsockname(fd, address, length)
      return length[0]!
    },
    ifNameToIndex: (name) => nametoindex(name),
    unshare: (flags) => void unshare(flags),
    setns: (fd, kind) => void setns(fd, kind),
    trim,
  }
}

/** glibc alone keeps freed pages, and alone has a call to return them. */
function trimOf(library: ReturnType<typeof Koffi.load>): () => Promise<void> {
  let call: ReturnType<typeof library.func>
  try {
    call = library.func('int malloc_trim(size_t pad)')
  } catch {
    return () => Promise.resolve()
  }
  return () => new Promise((resolve) => call.async(0, () => resolve()))
}
