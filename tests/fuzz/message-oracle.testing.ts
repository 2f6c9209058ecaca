/**
 * What RFC 4271 §6.1 and §6.2 (with RFC 5492, RFC 9072, RFC 6286, RFC 7607, RFC 9234) say of headers and OPENs, and RFC 2918
 * and RFC 7313 of ROUTE-REFRESH, read straight from their text.
 */

export type Code = readonly [code: number, subcode: number]

/** One of `must` is the answer if there is any. `may`: RFCs leave open whether it is an error. */
export interface CodeVerdict {
  must: Code[]
  may: Code[]
}

/** RFC 4271 §6.1. Empty: a good header, or too few octets to say. */
export function judgeHeader(bytes: Uint8Array): Code[] {
  if (bytes.length < 19) return []
  const codes: Code[] = []
  for (let i = 0; i < 16; i++) if (bytes[i] !== 255) return [[1, 1]]
  const length = bytes[16]! * 256 + bytes[17]!
  const type = bytes[18]!
  const least = [0, 29, 23, 21, 19, 23][type]
  if (type < 1 || type > 5) codes.push([1, 3])
  if (
    length < 19 ||
    length > 4096 ||
    (least !== undefined && length < least) ||
    (type === 4 && length !== 19)
  )
    codes.push([1, 2])
  return codes
}

/** `body`: at least ten octets. */
export function judgeOpen(body: Uint8Array): CodeVerdict {
  const must: Code[] = []
  const may: Code[] = []
  if (body[0] !== 4) return { must: [[2, 1]], may }
  const hold = body[3]! * 256 + body[4]!
  if (hold === 1 || hold === 2) must.push([2, 6])
  if (body.subarray(5, 9).every((octet) => octet === 0)) must.push([2, 3])
  let asn = body[1]! * 256 + body[2]!
  // RFC 9072 §2: the type decides, and the length beside it is ignored.
  const extended = body[9] !== 0 && body[10] === 255
  const from = extended ? 13 : 10
  const length = extended ? (body[11] ?? 0) * 256 + (body[12] ?? 0) : body[9]!
  if (from > body.length || length !== body.length - from) {
    // What is in it cannot be told any more.
    return { must: [...must, [2, 0]], may: asn === 0 ? [[2, 2]] : [] }
  }
  const roles = new Set<number>()
  for (let at = from; at < body.length;) {
    const type = body[at]!
    const head = extended ? 3 : 2
    const size = extended ? (body[at + 1] ?? 0) * 256 + (body[at + 2] ?? 0) : (body[at + 1] ?? 0)
    const end = at + head + size
    if (at + head > body.length || end > body.length) {
      must.push([2, 0])
      // An unknown type may be noticed first.
      if (type !== 2) may.push([2, 4])
      break
    }
    if (type !== 2) {
      must.push([2, 4])
      // Nothing after it needs to be looked at, but it may be.
      may.push([2, 0], [2, 2], [2, 11])
      break
    }
    for (let c = at + head; c < end;) {
      const [code = 0, octets = 0] = [body[c], body[c + 1]]
      if (c + 2 > end || c + 2 + octets > end) {
        must.push([2, 0])
        break
      }
      const value = body.subarray(c + 2, c + 2 + octets)
      const wrong =
        code === 65 || code === 1
          ? octets !== 4
          : code === 5
            ? octets % 6 !== 0
            : code === 69
              ? octets % 4 !== 0
              : code === 9 && octets !== 1
      if (wrong) may.push([2, 0])
      else if (code === 65) asn = ((value[0]! << 24) | (value[1]! << 16) | (value[2]! << 8) | value[3]!) >>> 0
      else if (code === 9 && value[0]! < 5) roles.add(value[0]!)
      c += 2 + octets
    }
    at = end
  }
  // RFC 7607 §2.
  if (asn === 0) must.push([2, 2])
  // RFC 9234 §4.2: several that differ are a mismatch.
  if (roles.size > 1) must.push([2, 11])
  return { must, may }
}

/** RFC 2918 §3; RFC 7313 §5: other lengths are an error, for some only if that RFC was agreed on. */
export function judgeRouteRefresh(body: Uint8Array): CodeVerdict {
  return body.length === 4
    ? { must: [], may: [] }
    : {
        must: [],
        may: [
          [1, 2],
          [7, 1],
        ],
      }
}
