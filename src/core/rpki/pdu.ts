/**
 * Protocol data units between a router and an RPKI cache as bytes: version 1 (RFC 8210 §5) and version 0 (RFC 6810 §5). What
 * can be judged without knowing the session is judged here; order, session ID and serial are the session's business.
 */
import { ByteQueue } from '#core/lib/byte-queue.ts'
import { ByteReader, ByteWriter } from '#core/lib/bytes.ts'
import { err, ok, type Result } from '#core/lib/result.ts'
import { addressBytes, addressFromBytes } from '#core/net/address.ts'
import { lengthOf, networkOf, prefixOf, type Prefix } from '#core/net/prefix.ts'

export type Version = 0 | 1

export type Pdu =
  | { kind: 'serialNotify'; version: Version; sessionId: number; serial: number }
  | { kind: 'serialQuery'; version: Version; sessionId: number; serial: number }
  | { kind: 'resetQuery'; version: Version }
  | { kind: 'cacheResponse'; version: Version; sessionId: number }
  | {
      kind: 'prefix'
      version: Version
      /** `false`: it is taken back. */
      announce: boolean
      prefix: Prefix
      maxLength: number
      asn: number
    }
  | { kind: 'endOfData'; version: Version; sessionId: number; serial: number; intervals?: Intervals }
  | { kind: 'cacheReset'; version: Version }
  /** RFC 8210 §5.10, for BGPsec: its content is not looked at. */
  | { kind: 'routerKey'; version: Version }
  | { kind: 'errorReport'; version: Version; code: number; text: string }

/** RFC 8210 §6, whole seconds; absent in version 0. */
export interface Intervals {
  refreshSeconds: number
  retrySeconds: number
  expireSeconds: number
}

/** RFC 8210 §12. */
export const errorCode = {
  corruptData: 0,
  internalError: 1,
  noDataAvailable: 2,
  invalidRequest: 3,
  unsupportedVersion: 4,
  unsupportedPdu: 5,
  withdrawalOfUnknown: 6,
  duplicateAnnouncement: 7,
  unexpectedVersion: 8,
} as const

/** What is answered to a PDU that is wrong: an error report of this code, around the PDU as it came. */
export interface PduError {
  code: number
  /** For people at both ends. */
  message: string
  pdu: Uint8Array
}

const pduType = {
  serialNotify: 0,
  serialQuery: 1,
  resetQuery: 2,
  cacheResponse: 3,
  ipv4Prefix: 4,
  ipv6Prefix: 6,
  endOfData: 7,
  cacheReset: 8,
  routerKey: 9,
  errorReport: 10,
} as const

const headerLength = 8
/** No PDU has a reason to be longer: an error report holds another PDU and a text, a router key a few hundred bytes. */
export const pduLengthMax = 64 * 1024
/** Bytes of a text that is kept or sent. */
const textMax = 512

/**
 * Cuts a connection's bytes into PDUs. After an error nothing more comes out: where the next PDU starts is not known, or the
 * session is over anyway. Holds at most one chunk and one PDU that is not complete.
 */
export class PduFramer {
  readonly #queue = new ByteQueue()
  #failed = false

  /** Keeps the array, which must not change afterwards. */
  push(chunk: Uint8Array): void {
    if (!this.#failed) this.#queue.push(chunk)
  }

  /** Undefined: more bytes are needed. */
  next(): Result<Pdu, PduError> | undefined {
    const { available, bytes, at } = this.#queue
    if (this.#failed || available < headerLength) return undefined
    const header = new ByteReader(bytes, at + 4)
    const length = header.u32()
    if (length < headerLength || length > pduLengthMax) {
      const pdu = bytes.slice(at, at + headerLength)
      return this.#fail(err({ code: errorCode.corruptData, message: `a PDU of length ${length}`, pdu }))
    }
    if (available < length) return undefined
    const decoded = decodePdu(bytes.subarray(at, at + length))
    this.#queue.at += length
    return decoded.ok ? decoded : this.#fail(decoded)
  }

  #fail(error: Result<Pdu, PduError>): Result<Pdu, PduError> {
    this.#failed = true
    this.#queue.clear()
    return error
  }
}

/** One whole PDU; its length field has been checked. */
export function decodePdu(bytes: Uint8Array): Result<Pdu, PduError> {
  const reader = new ByteReader(bytes)
  const version = reader.u8()
  const type = reader.u8()
  const session = reader.u16()
  reader.u32()
  const wrong = (code: number, message: string) => err({ code, message, pdu: bytes.slice() })
  if (version !== 0 && version !== 1)
    return wrong(errorCode.unsupportedVersion, `protocol version ${version}`)
  const sized = (length: number) => bytes.length === length
  const badLength = () => wrong(errorCode.corruptData, `a PDU of type ${type} with length ${bytes.length}`)
  switch (type) {
    case pduType.serialNotify:
    case pduType.serialQuery: {
      if (!sized(12)) return badLength()
      const kind = type === pduType.serialNotify ? 'serialNotify' : 'serialQuery'
      return ok({ kind, version, sessionId: session, serial: reader.u32() })
    }
    case pduType.resetQuery:
      return sized(8) ? ok({ kind: 'resetQuery', version }) : badLength()
    case pduType.cacheResponse:
      return sized(8) ? ok({ kind: 'cacheResponse', version, sessionId: session }) : badLength()
    case pduType.ipv4Prefix:
    case pduType.ipv6Prefix: {
      const octets = type === pduType.ipv4Prefix ? 4 : 16
      if (!sized(16 + octets)) return badLength()
      const flags = reader.u8()
      const prefixLength = reader.u8()
      const maxLength = reader.u8()
      reader.u8()
      const address = addressFromBytes(reader.take(octets))
      const asn = reader.u32()
      // RFC 8210 §5.6.
      if (prefixLength > maxLength || maxLength > 8 * octets)
        return wrong(errorCode.corruptData, `${address}/${prefixLength} with max length ${maxLength}`)
      const prefix = prefixOf(address, prefixLength)
      if (networkOf(prefix) !== address)
        return wrong(errorCode.corruptData, `${address}/${prefixLength} with host bits set`)
      return ok({ kind: 'prefix', version, announce: (flags & 1) === 1, prefix, maxLength, asn })
    }
    case pduType.endOfData: {
      // RFC 8210 §5.8, RFC 6810 §5.8: the intervals came with version 1.
      if (!sized(version === 0 ? 12 : 24)) return badLength()
      const serial = reader.u32()
      if (version === 0) return ok({ kind: 'endOfData', version, sessionId: session, serial })
      const intervals = {
        refreshSeconds: reader.u32(),
        retrySeconds: reader.u32(),
        expireSeconds: reader.u32(),
      }
      return ok({ kind: 'endOfData', version, sessionId: session, serial, intervals })
    }
    case pduType.cacheReset:
      return sized(8) ? ok({ kind: 'cacheReset', version }) : badLength()
    case pduType.routerKey:
      if (version === 0) break
      return bytes.length >= 32 ? ok({ kind: 'routerKey', version }) : badLength()
    case pduType.errorReport: {
      // RFC 8210 §5.11: the PDU in error, then a text, each behind its length.
      reader.take(reader.u32())
      const text = reader.take(reader.u32())
      if (reader.failed || reader.remaining > 0) return badLength()
      return ok({ kind: 'errorReport', version, code: session, text: printable(text) })
    }
  }
  return wrong(errorCode.unsupportedPdu, `a PDU of type ${type} in version ${version}`)
}

/** What a router sends, and what tests send as a cache. */
export function encodePdu(pdu: Exclude<Pdu, { kind: 'routerKey' | 'errorReport' }>): Uint8Array {
  switch (pdu.kind) {
    case 'serialNotify':
    case 'serialQuery':
      return header(pdu.version, pduType[pdu.kind], pdu.sessionId, 12).u32(pdu.serial).finish()
    case 'resetQuery':
    case 'cacheReset':
      return header(pdu.version, pduType[pdu.kind], 0, 8).finish()
    case 'cacheResponse':
      return header(pdu.version, pduType.cacheResponse, pdu.sessionId, 8).finish()
    case 'prefix': {
      const address = addressBytes(networkOf(pdu.prefix))
      const type = address.length === 4 ? pduType.ipv4Prefix : pduType.ipv6Prefix
      return header(pdu.version, type, 0, 16 + address.length)
        .u8(pdu.announce ? 1 : 0)
        .u8(lengthOf(pdu.prefix))
        .u8(pdu.maxLength)
        .u8(0)
        .raw(address)
        .u32(pdu.asn)
        .finish()
    }
    case 'endOfData': {
      const { intervals } = pdu
      const writer = header(pdu.version, pduType.endOfData, pdu.sessionId, intervals === undefined ? 12 : 24)
      writer.u32(pdu.serial)
      if (intervals !== undefined)
        writer.u32(intervals.refreshSeconds).u32(intervals.retrySeconds).u32(intervals.expireSeconds)
      return writer.finish()
    }
  }
}

/** RFC 8210 §5.11. `text`: only what is ASCII is sent of it. */
export function encodeErrorReport(
  version: Version,
  { code, pdu, message }: { code: number; pdu: Uint8Array; message: string },
): Uint8Array {
  // An error report about an error report is never sent, so this bounds both parts.
  const about = pdu.subarray(0, textMax)
  const text = Uint8Array.from(message.slice(0, textMax), (char) => char.charCodeAt(0) & 0x7f)
  return header(version, pduType.errorReport, code, 16 + about.length + text.length)
    .u32(about.length)
    .raw(about)
    .u32(text.length)
    .raw(text)
    .finish()
}

function header(version: Version, type: number, session: number, length: number): ByteWriter {
  return new ByteWriter(length).u8(version).u8(type).u16(session).u32(length)
}

/** Text from a cache for logs and tables: what is not printable ASCII becomes a question mark. */
function printable(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes.subarray(0, textMax))
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '?'
  return text
}
