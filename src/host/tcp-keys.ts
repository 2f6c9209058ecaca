/** The keys that neighbours must sign with (TCP MD5, RFC 2385; TCP-AO, RFC 5925), on the sockets of a dial or a listener. */
import { addressBits, versionOf, type Address, type IpVersion } from '#core/net/address.ts'
import { covers, lengthOf, networkOf, prefixOf, type Prefix } from '#core/net/prefix.ts'
import { md5KeyBytesMax, type TcpPassword } from '#core/net/tcp.ts'
import { SystemError } from './libc.ts'
import { addAoKey, deleteAoKey, setMd5Key } from './socket-linux.ts'
import { Refusal, explainKey } from './tcp-errors.ts'

export type Keys = Pick<TcpPassword, 'password' | 'authenticationOption'>

/** Sets the keys of a dial on its socket. Throws {@link Refusal} when there is none such. */
export function setDialKeys(fd: number, address: Address, keys: Keys): void {
  setKeys(fd, prefixOf(address, addressBits(versionOf(address))), keys)
}

/** The keys on a listener's sockets. */
export class ListenerKeys {
  readonly #sockets: readonly { fd: number; version: IpVersion }[]
  readonly #failed: (address: Address, reason: string) => void
  readonly #set = new Map<Prefix, Keys>()
  /** Whose key could not be set. */
  readonly #unset = new Set<Prefix>()

  /** `failed` is called for each key that cannot be set, never inside `replace`. */
  constructor(
    sockets: readonly { fd: number; version: IpVersion }[],
    failed: (address: Address, reason: string) => void,
  ) {
    this.#sockets = sockets
    this.#failed = failed
  }

  /** Only what differs from before is touched. */
  replace(passwords: readonly TcpPassword[]): void {
    const wanted = new Map(passwords.map((password) => [prefixOfKey(password), password]))
    for (const [prefix, keys] of this.#set) {
      const next = wanted.get(prefix)
      if (next !== undefined && sameKeys(keys, next)) continue
      this.#set.delete(prefix)
      // Another MD5 key takes the place of the old one at once, so that there is no moment without any.
      const replaced = next?.password !== undefined && keys.authenticationOption === undefined
      if (!replaced) this.#forEach(prefix, (fd) => deleteKeys(fd, prefix, keys))
    }
    this.#unset.clear()
    for (const [prefix, { address, password, authenticationOption }] of wanted) {
      if (this.#set.has(prefix)) continue
      const keys: Keys = {
        ...(password === undefined ? {} : { password }),
        ...(authenticationOption === undefined ? {} : { authenticationOption }),
      }
      try {
        this.#forEach(prefix, (fd) => setKeys(fd, prefix, keys))
        this.#set.set(prefix, keys)
      } catch (error) {
        this.#unset.add(prefix)
        const reason = error instanceof Error ? error.message : String(error)
        process.nextTick(() => this.#failed(address, reason))
      }
    }
  }

  /** A neighbour at this address should have a key and has none: nothing that it sends may be believed. */
  missing(address: Address): boolean {
    const longest = this.#longest(address)
    return longest !== undefined && this.#unset.has(longest)
  }

  /** What a neighbour at this address must sign with. */
  of(address: Address): Keys {
    const longest = this.#longest(address)
    return (longest === undefined ? undefined : this.#set.get(longest)) ?? {}
  }

  #longest(address: Address): Prefix | undefined {
    let longest: Prefix | undefined
    for (const prefix of [...this.#set.keys(), ...this.#unset]) {
      if (!covers(prefix, address)) continue
      if (longest === undefined || lengthOf(prefix) > lengthOf(longest)) longest = prefix
    }
    return longest
  }

  #forEach(prefix: Prefix, action: (fd: number) => void): void {
    for (const { fd, version } of this.#sockets) if (version === versionOf(networkOf(prefix))) action(fd)
  }
}

function prefixOfKey({ address, prefixLength }: TcpPassword): Prefix {
  return prefixOf(address, prefixLength ?? addressBits(versionOf(address)))
}

function sameKeys(a: Keys, b: Keys): boolean {
  const [ours, theirs] = [a.authenticationOption, b.authenticationOption]
  if (a.password !== b.password || ours?.keyId !== theirs?.keyId) return false
  return ours?.algorithm === theirs?.algorithm && ours?.key === theirs?.key
}

/** Throws {@link Refusal}. */
function setKeys(fd: number, prefix: Prefix, { password, authenticationOption }: Keys): void {
  const [network, length] = [networkOf(prefix), lengthOf(prefix)]
  if (password !== undefined) {
    const bytes = keyBytes(password, 'an MD5 password')
    refusing('CONFIG_TCP_MD5SIG', () => setMd5Key(fd, network, length, bytes))
  }
  if (authenticationOption !== undefined) {
    keyBytes(authenticationOption.key, 'a TCP-AO key')
    refusing('CONFIG_TCP_AO', () => addAoKey(fd, network, length, authenticationOption))
  }
}

function deleteKeys(fd: number, prefix: Prefix, { password, authenticationOption }: Keys): void {
  const [network, length] = [networkOf(prefix), lengthOf(prefix)]
  if (password !== undefined) setMd5Key(fd, network, length, new Uint8Array())
  if (authenticationOption !== undefined) deleteAoKey(fd, network, length, authenticationOption.keyId)
}

function refusing(signature: 'CONFIG_TCP_MD5SIG' | 'CONFIG_TCP_AO', set: () => void): void {
  try {
    set()
  } catch (error) {
    if (error instanceof SystemError) throw new Refusal(explainKey(error, signature))
    throw error
  }
}

/** Both kinds of key have the same limits in Linux. */
function keyBytes(key: string, what: string): Uint8Array {
  const bytes = new TextEncoder().encode(key)
  if (bytes.length === 0 || bytes.length > md5KeyBytesMax) {
    throw new Refusal(`${what} has 1 to ${md5KeyBytesMax} bytes and this one has ${bytes.length}`)
  }
  return bytes
}
