/** Reads MRT files (RFC 6396, RFC 8050) piece by piece. Bytes may be anybody's: what is wrong with them is said and never thrown. */
import type { Family } from '#core/bgp/family.ts'
import { ByteQueue } from '#core/lib/byte-queue.ts'
import { ByteReader } from '#core/lib/bytes.ts'
import { decodeUtf8 } from '#core/lib/utf8.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { addressFromBytes, type Address } from '#core/net/address.ts'
import { prefixOf } from '#core/net/prefix.ts'
import {
  bgp4mpSubtype,
  mrtType,
  tableDump2Subtype,
  type MrtPeer,
  type MrtRecord,
  type MrtSession,
  type RibEntry,
} from './record.ts'

/** No record of a table or a message comes near this. */
const recordLengthMax = 16 * 1024 * 1024
const headerLength = 12

/** One per file. After an error nothing more comes out. Holds at most one chunk and one record that is not complete. */
export class MrtReader {
  readonly #queue = new ByteQueue()
  #failed = false
  /** Of the file, in bytes: where the next record begins. */
  #offset = 0

  /** Keeps the array, which must not change afterwards. */
  push(chunk: Uint8Array): void {
    if (!this.#failed) this.#queue.push(chunk)
  }

  /** Undefined: more bytes are needed. */
  next(): Result<MrtRecord> | undefined {
    const { available, bytes, at } = this.#queue
    if (this.#failed || available < headerLength) return undefined
    const reader = new ByteReader(bytes, at)
    const seconds = reader.u32()
    const type = reader.u16()
    const subtype = reader.u16()
    const length = reader.u32()
    if (this.#offset === 0 && isCompressed(bytes)) return this.#fail('compressed data')
    if (length > recordLengthMax) return this.#fail(`a record of ${length} bytes`)
    if (available < headerLength + length) return undefined
    const record = readRecord(1000 * seconds, type, subtype, reader.part(length))
    if (record === undefined) return this.#fail(`a malformed record of type ${type}, subtype ${subtype}`)
    this.#queue.at += headerLength + length
    this.#offset += headerLength + length
    return ok(record)
  }

  /** What is wrong when the file ends here: a record that is cut short. */
  end(): Result<undefined> {
    if (this.#failed || this.#queue.available === 0) return ok(undefined)
    return err(`the file ends within a record that begins at byte ${this.#offset}`)
  }

  #fail(what: string): Result<MrtRecord> {
    this.#failed = true
    this.#queue.clear()
    return err(`${what} at byte ${this.#offset}: this is no MRT file, or not from here on`)
  }
}

/** gzip, bzip2 or xz, by which collectors give their files away. */
function isCompressed(bytes: Uint8Array): boolean {
  const magics = [
    [0x1f, 0x8b],
    // Its first four octets alone could be a time in 2005.
    [0x42, 0x5a, 0x68, undefined, 0x31, 0x41, 0x59],
    [0xfd, 0x37, 0x7a, 0x58, 0x5a],
  ]
  return magics.some((magic) => magic.every((byte, i) => byte === undefined || bytes[i] === byte))
}

/** Undefined: malformed. `reader` is a part that is the record's body. */
function readRecord(at: number, type: number, subtype: number, reader: ByteReader): MrtRecord | undefined {
  switch (type) {
    case mrtType.bgp4mp:
      return readBgp4mp(at, subtype, reader)
    case mrtType.bgp4mpEt: {
      // RFC 6396 §3: microseconds, which the length counts.
      const microseconds = reader.u32()
      return reader.failed ? undefined : readBgp4mp(at + microseconds / 1000, subtype, reader, type)
    }
    case mrtType.tableDump2:
      return readTableDump2(at, subtype, reader)
  }
  return { kind: 'other', at, type, subtype }
}

function readBgp4mp(
  at: number,
  subtype: number,
  reader: ByteReader,
  type: number = mrtType.bgp4mp,
): MrtRecord | undefined {
  const is = bgp4mpSubtype
  switch (subtype) {
    case is.stateChange:
    case is.stateChangeAs4: {
      const session = readSession(reader, subtype === is.stateChangeAs4)
      const from = reader.u16()
      const to = reader.u16()
      if (session === undefined || reader.failed || reader.remaining > 0) return undefined
      return { kind: 'stateChange', at, session, from, to }
    }
    case is.message:
    case is.messageAs4:
    case is.messageLocal:
    case is.messageAs4Local:
    case is.messageAddPath:
    case is.messageAs4AddPath:
    case is.messageLocalAddPath:
    case is.messageAs4LocalAddPath: {
      const as4: number[] = [
        is.messageAs4,
        is.messageAs4Local,
        is.messageAs4AddPath,
        is.messageAs4LocalAddPath,
      ]
      const locals: number[] = [
        is.messageLocal,
        is.messageAs4Local,
        is.messageLocalAddPath,
        is.messageAs4LocalAddPath,
      ]
      const fourOctetAsn = as4.includes(subtype)
      const session = readSession(reader, fourOctetAsn)
      const message = reader.take(reader.remaining)
      if (session === undefined || reader.failed || !isMessage(message)) return undefined
      return {
        kind: 'message',
        at,
        session,
        fourOctetAsn,
        addPath: subtype >= is.messageAddPath,
        local: locals.includes(subtype),
        message,
      }
    }
  }
  return { kind: 'other', at, type, subtype }
}

/** A BGP message whose length is that of its record. */
function isMessage(bytes: Uint8Array): boolean {
  return bytes.length >= 19 && ((bytes[16]! << 8) | bytes[17]!) === bytes.length
}

/** RFC 6396 §4.4.2. */
function readSession(reader: ByteReader, fourOctetAsn: boolean): MrtSession | undefined {
  const peerAsn = fourOctetAsn ? reader.u32() : reader.u16()
  const localAsn = fourOctetAsn ? reader.u32() : reader.u16()
  reader.u16()
  const octets = addressOctets(reader.u16())
  if (octets === undefined) return undefined
  const peer = readAddress(reader, octets)
  const local = readAddress(reader, octets)
  if (peer === undefined || local === undefined) return undefined
  return { peerAsn, localAsn, peerAddress: peer, localAddress: local }
}

function addressOctets(afi: number): 4 | 16 | undefined {
  return afi === 1 ? 4 : afi === 2 ? 16 : undefined
}

function readAddress(reader: ByteReader, octets: 4 | 16): Address | undefined {
  const bytes = reader.take(octets)
  return reader.failed ? undefined : addressFromBytes(bytes)
}

function readTableDump2(at: number, subtype: number, reader: ByteReader): MrtRecord | undefined {
  const is = tableDump2Subtype
  switch (subtype) {
    case is.peerIndexTable:
      return readPeers(at, reader)
    case is.ribIpv4Unicast:
      return readRib(at, 'ipv4/unicast', false, reader)
    case is.ribIpv6Unicast:
      return readRib(at, 'ipv6/unicast', false, reader)
    case is.ribIpv4UnicastAddPath:
      return readRib(at, 'ipv4/unicast', true, reader)
    case is.ribIpv6UnicastAddPath:
      return readRib(at, 'ipv6/unicast', true, reader)
  }
  return { kind: 'other', at, type: mrtType.tableDump2, subtype }
}

/** RFC 6396 §4.3.1. */
function readPeers(at: number, reader: ByteReader): MrtRecord | undefined {
  const collector = readAddress(reader, 4)
  const view = decodeUtf8(reader.take(reader.u16())) ?? ''
  const count = reader.u16()
  const peers: MrtPeer[] = []
  for (let i = 0; i < count && !reader.failed; i++) {
    const type = reader.u8()
    const routerId = readAddress(reader, 4)
    const address = readAddress(reader, (type & 1) === 0 ? 4 : 16)
    const asn = (type & 2) === 0 ? reader.u16() : reader.u32()
    if (routerId === undefined || address === undefined) return undefined
    peers.push({ routerId, address, asn })
  }
  if (reader.failed || collector === undefined) return undefined
  return { kind: 'peers', at, collector, view, peers }
}

/** RFC 6396 §4.3.2, RFC 8050 §4.1. */
function readRib(at: number, family: Family, addPath: boolean, reader: ByteReader): MrtRecord | undefined {
  const sequence = reader.u32()
  const length = reader.u8()
  const octets = family === 'ipv4/unicast' ? 4 : 16
  if (length > 8 * octets) return undefined
  const bytes = new Uint8Array(octets)
  bytes.set(reader.take((length + 7) >>> 3))
  const prefix = prefixOf(addressFromBytes(bytes), length)
  const count = reader.u16()
  const entries: RibEntry[] = []
  for (let i = 0; i < count && !reader.failed; i++) {
    const peer = reader.u16()
    const originatedAt = 1000 * reader.u32()
    const pathId = addPath ? reader.u32() : undefined
    const attributes = reader.take(reader.u16())
    entries.push({ peer, originatedAt, ...(pathId === undefined ? {} : { pathId }), attributes })
  }
  return reader.failed ? undefined : { kind: 'rib', at, family, sequence, prefix, entries }
}
