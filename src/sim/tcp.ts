/**
 * TCP on the simulated network, as `core/net/tcp.ts` promises it: handshake by latency, streams in order and cut at
 * random, retransmission as delay, resets from hosts that do not know the connection. Windows and congestion are left
 * out. `tests/contract/tcp.contract.ts` holds for it and for the real one alike.
 */
import { addressBits, versionOf, type Address } from '#core/net/address.ts'
import { covers, lengthOf, prefixOf, type Prefix } from '#core/net/prefix.ts'
import {
  md5KeyBytesMax,
  type DialHandlers,
  type ListenHandlers,
  type Tcp,
  type TcpConnection,
  type TcpDial,
  type TcpEnds,
  type TcpListen,
  type TcpListener,
  type TcpMinTtl,
  type TcpPassword,
} from '#core/net/tcp.ts'
import type { Host, Network } from './network.ts'
import { TcpEndpoint, endsBetween } from './tcp-endpoint.ts'

/** RFC 6298 §2: the first SYN is repeated after a second, then at doubled intervals. */
const synRetryMs = 1_000

const unset = Symbol('unset')

interface Listener {
  addresses: Address[] | undefined
  /** What segments of neighbours must be signed with; `unset`: the key could not be set. */
  signatures: Map<Prefix, string | typeof unset>
  minTtls: Map<Prefix, number>
  handlers: ListenHandlers
  own: OwnSockets
}

/** TCP of all hosts of one network. */
export class SimulatedTcp {
  readonly #network: Network
  readonly #listeners = new Map<string, Listener>()
  /** Ends that have not closed, of every host. */
  readonly #endpoints = new Set<TcpEndpoint>()

  constructor(network: Network) {
    this.#network = network
    network.onReset((a, b) => {
      for (const endpoint of this.#endpoints) {
        const between =
          (endpoint.host === a && endpoint.peerHost === b) || (endpoint.host === b && endpoint.peerHost === a)
        if (between) endpoint.lose('the other end reset the connection')
      }
    })
  }

  /** The sockets of one process on `host`. */
  process(host: Host): TcpProcess {
    const process = new TcpProcess(
      (options, handlers, own) => this.#dial(host, options, handlers, own),
      (options, handlers, own) => this.#listen(host, options, handlers, own),
    )
    host.onPowerOff(() => process.kill('silent'))
    return process
  }

  /** Connections of `host` that are open, for checkers. */
  connections(host: Host): TcpEnds[] {
    return [...this.#endpoints].filter((end) => end.host === host && end.open).map((end) => end.ends)
  }

  #dial(host: Host, options: TcpDial, handlers: DialHandlers, own: OwnSockets): TcpConnection {
    const { clock } = this.#network
    const where = `${options.address} port ${options.port}`
    const localAddress = options.sourceAddress ?? host.addressOf(versionOf(options.address))
    let pending = true
    let endpoint: TcpEndpoint | undefined
    const stop = () => {
      pending = false
      stopRetrying()
      stopWaiting()
      own.dials.delete(stop)
    }
    const fail = (reason: string) => {
      if (!pending) return
      stop()
      handlers.failed(reason)
    }
    let stopRetrying: () => void = () => {}
    let stopWaiting: () => void = () => {}
    own.dials.add(stop)
    const dialer: TcpConnection = {
      send: (bytes) => endpoint?.send(bytes),
      close: () => (endpoint === undefined ? stop() : endpoint.close()),
      setTtl: (ttl, minTtl) => endpoint?.setTtl(ttl, minTtl),
      get queuedBytes() {
        return endpoint?.queuedBytes ?? 0
      },
    }
    const mistake = dialMistake(host, options, localAddress)
    if (mistake !== undefined || localAddress === undefined) {
      stopWaiting = clock.after(0, () => fail(mistake ?? `there is no route to ${where}`))
      return dialer
    }
    const ends = endsBetween(host, localAddress, host.ephemeralPort(), options.address, options.port)
    stopWaiting = clock.after(options.timeoutMs, () => {
      const wrong = own.wrongSignatures.get(options.address)
      const guess = options.password === undefined ? '' : ', or its MD5 password is another one'
      const why = wrong === undefined ? guess : `: ${wrong}`
      fail(`no answer from ${where} within ${options.timeoutMs / 1000} s${why}`)
    })
    const opened = (made: TcpEndpoint) => {
      stop()
      endpoint = made
      own.endpoints.add(made)
      own.wrongSignatures.delete(options.address)
      made.start(handlers)
      handlers.opened(ends)
    }
    const sendSyn = (attempt: number) => {
      stopRetrying = clock.after(synRetryMs * 2 ** attempt, () => sendSyn(attempt + 1))
      this.#sendSyn(host, ends, options, {
        opened,
        refused: () => fail(`${where} refused the connection: nothing listens there`),
        wanted: () => pending,
      })
    }
    sendSyn(0)
    return dialer
  }

  /** One attempt of a handshake (RFC 9293 §3.5). Silence is one of its outcomes. */
  #sendSyn(
    host: Host,
    ends: TcpEnds,
    options: TcpDial,
    outcome: { opened: (endpoint: TcpEndpoint) => void; refused: () => void; wanted: () => boolean },
  ): void {
    const target = this.#network.hostOf(ends.remoteAddress)
    if (target === undefined) return
    this.#network.carry(host, target, 60, () => {
      const listener = this.#listeners.get(`${target.name} ${ends.remotePort}`)
      const listens = listener !== undefined && (listener.addresses?.includes(ends.remoteAddress) ?? true)
      // RFC 5082 §3: dropped in silence.
      if (listens && options.ttl < (longestMatch(listener.minTtls, ends.localAddress) ?? 0)) return
      const wanted = listens ? signatureWanted(listener, ends.localAddress) : unset
      if (!listens || wanted === unset) {
        this.#network.carry(target, host, 40, outcome.refused)
        return
      }
      if (wanted !== signatureOf(options)) {
        // RFC 2385 §4.1: dropped in silence. The machine may find out whose it was.
        const reason = wrongIn(options, wanted)
        listener.own.wrongSignatures.set(ends.localAddress, reason)
        listener.handlers.wrongSignature?.(ends.localAddress, reason)
        return
      }
      this.#network.carry(target, host, 60, () => {
        if (!outcome.wanted()) return
        const [near, far] = TcpEndpoint.pair(this.#network, host, target, ends, this.#endpoints)
        near.setTtl(options.ttl, options.minTtl)
        far.acceptWhenAcknowledged(() => this.#accept(listener, far))
        outcome.opened(near)
      })
    })
  }

  #accept(listener: Listener, endpoint: TcpEndpoint): void {
    const { own } = listener
    if (!own.listeners.has(listener)) {
      endpoint.refuse()
      return
    }
    own.endpoints.add(endpoint)
    endpoint.start(listener.handlers.accepted(endpoint, endpoint.ends))
  }

  #listen(host: Host, options: TcpListen, handlers: ListenHandlers, own: OwnSockets): TcpListener {
    const { clock } = this.#network
    const port = options.port === 0 ? host.ephemeralPort() : options.port
    const key = `${host.name} ${port}`
    const { addresses } = options
    const listener: Listener = { addresses, signatures: new Map(), minTtls: new Map(), handlers, own }
    const missing = addresses?.find((address) => !host.has(address))
    const mistake = this.#listeners.has(key)
      ? `port ${port} is taken by another process`
      : missing !== undefined && `this machine does not have the address ${missing}`
    let ended = false
    const close = () => {
      ended = true
      own.listeners.delete(listener)
      if (this.#listeners.get(key) === listener) this.#listeners.delete(key)
    }
    const setPasswords = (passwords: TcpListen['passwords']) => {
      if (ended) return
      listener.signatures.clear()
      for (const key of passwords) {
        const { address, prefixLength = addressBits(versionOf(address)) } = key
        const wrong = keyMistake(key)
        listener.signatures.set(
          prefixOf(address, prefixLength),
          wrong === undefined ? signatureOf(key) : unset,
        )
        if (wrong !== undefined) clock.after(0, () => ended || handlers.passwordFailed(address, wrong))
      }
    }
    if (mistake) {
      clock.after(0, () => ended || handlers.failed(mistake))
      return { setPasswords: () => {}, setMinTtls: () => {}, close: () => void (ended = true) }
    }
    this.#listeners.set(key, listener)
    own.listeners.set(listener, close)
    setPasswords(options.passwords)
    clock.after(0, () => ended || handlers.listening(port))
    const setMinTtls = (minTtls: TcpMinTtl[]) => {
      listener.minTtls.clear()
      for (const { address, prefixLength = addressBits(versionOf(address)), minTtl } of minTtls)
        listener.minTtls.set(prefixOf(address, prefixLength), minTtl)
    }
    setMinTtls(options.minTtls ?? [])
    return { setPasswords, setMinTtls, close }
  }
}

/** What belongs to one process and ends with it. */
interface OwnSockets {
  dials: Set<() => void>
  listeners: Map<Listener, () => void>
  endpoints: Set<TcpEndpoint>
  /** What was last wrong with the signatures of a neighbour. */
  wrongSignatures: Map<Address, string>
}

/** TCP as one process has it. */
export class TcpProcess implements Tcp {
  readonly #own: OwnSockets = {
    dials: new Set(),
    listeners: new Map(),
    endpoints: new Set(),
    wrongSignatures: new Map(),
  }
  readonly #dial: (options: TcpDial, handlers: DialHandlers, own: OwnSockets) => TcpConnection
  readonly #listen: (options: TcpListen, handlers: ListenHandlers, own: OwnSockets) => TcpListener

  constructor(
    dial: (options: TcpDial, handlers: DialHandlers, own: OwnSockets) => TcpConnection,
    listen: (options: TcpListen, handlers: ListenHandlers, own: OwnSockets) => TcpListener,
  ) {
    this.#dial = dial
    this.#listen = listen
  }

  dial(options: TcpDial, handlers: DialHandlers): TcpConnection {
    return this.#dial(options, handlers, this.#own)
  }

  listen(options: TcpListen, handlers: ListenHandlers): TcpListener {
    return this.#listen(options, handlers, this.#own)
  }

  /** The process dies (kill -9): its kernel resets what was open and tells nobody inside. `silent`: the machine died. */
  kill(how: 'reset' | 'silent' = 'reset'): void {
    for (const stop of this.#own.dials) stop()
    for (const close of this.#own.listeners.values()) close()
    for (const endpoint of this.#own.endpoints) endpoint.abort(how)
    this.#own.endpoints.clear()
  }
}

/** What is wrong with a dial before a packet leaves. */
function dialMistake(host: Host, options: TcpDial, source: Address | undefined): string | undefined {
  if (source !== undefined && !host.has(source)) return `this machine does not have the address ${source}`
  return keyMistake(options)
}

type Keys = Pick<TcpPassword, 'password' | 'authenticationOption'>

function keyMistake({ password, authenticationOption }: Keys): string | undefined {
  const key = password ?? authenticationOption?.key
  const bytes = key === undefined ? 1 : utf8Length(key)
  if (bytes >= 1 && bytes <= md5KeyBytesMax) return undefined
  const what = password === undefined ? 'a TCP-AO key' : 'an MD5 password'
  return `${what} has 1 to ${md5KeyBytesMax} bytes and this one has ${bytes}`
}

/** Equal for keys of two ends that understand each other. */
function signatureOf({ password, authenticationOption: option }: Keys): string {
  return JSON.stringify([password, option?.keyId, option?.algorithm, option?.key])
}

/** For people: `wanted` is what the listener knows. */
function wrongIn({ password, authenticationOption }: Keys, wanted: string): string {
  if (wanted === signatureOf({})) return 'it sends with an MD5 password, and none is configured for it'
  if (authenticationOption === undefined && password === undefined) return 'it sends without an MD5 password'
  return 'its MD5 password is another one'
}

function signatureWanted(listener: Listener, address: Address): string | typeof unset {
  return longestMatch(listener.signatures, address) ?? signatureOf({})
}

function longestMatch<T>(table: ReadonlyMap<Prefix, T>, address: Address): T | undefined {
  let longest: Prefix | undefined
  for (const prefix of table.keys()) {
    if (!covers(prefix, address)) continue
    if (longest === undefined || lengthOf(prefix) > lengthOf(longest)) longest = prefix
  }
  return longest === undefined ? undefined : table.get(longest)
}

function utf8Length(text: string): number {
  let bytes = 0
  for (const char of text) {
    const code = char.codePointAt(0)!
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x1_0000 ? 3 : 4
  }
  return bytes
}
