import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'
import { addressBytes, address } from '#core/net/address.ts'
import { parseSegment } from './tcp-segment.ts'

const options = { md5: [1, 1, 19, 18], ao: [29, 16, 7, 7, ...Array<number>(12).fill(9)], none: [] }

/** A SYN from port 40000 to 179. */
function syn(version: 4 | 6, kind: keyof typeof options, key = ''): Uint8Array {
  const [source, destination] = version === 4 ? ['192.0.2.1', '192.0.2.9'] : ['2001:db8::1', '2001:db8::9']
  const ends = [...addressBytes(address(source)), ...addressBytes(address(destination))]
  const length = 20 + { md5: 20, ao: 16, none: 0 }[kind]
  const tcp = new Uint8Array(length)
  tcp.set([40_000 >> 8, 40_000 & 255, 0, 179])
  tcp.set([(length / 4) << 4, 2, 255, 255, 0xab, 0xcd], 12)
  const header = tcp.slice(0, 20)
  header.fill(0, 16, 18)
  const pseudo = version === 4 ? [0, 6, 0, length] : [0, 0, 0, length, 0, 0, 0, 6]
  const digest = createHash('md5')
    .update(Uint8Array.from([...ends, ...pseudo]))
    .update(header)
    .update(key)
    .digest()
  tcp.set(kind === 'md5' ? [...options.md5, ...digest] : options[kind], 20)
  const ip = new Uint8Array(version === 4 ? 20 : 40)
  if (version === 4) {
    ip.set([0x45, 0, 0, 20 + length])
    ip[9] = 6
    ip.set(ends, 12)
  } else {
    ip.set([0x60, 0, 0, 0, 0, length, 6, 255])
    ip.set(ends, 8)
  }
  return Uint8Array.from([...ip, ...tcp])
}

describe('a captured segment', () => {
  for (const version of [4, 6] as const) {
    it(`says whether it is signed and by which key, IPv${version} (RFC 2385 §2)`, () => {
      const signed = parseSegment(syn(version, 'md5', 'secret'))
      assert.ok(signed?.md5 && signed.syn && !signed.ack && !signed.authenticationOption)
      assert.deepEqual([signed.sourcePort, signed.destinationPort], [40_000, 179])
      assert.equal(signed.source, version === 4 ? '192.0.2.1' : '2001:db8::1')
      assert.ok(signed.signedWith('secret'))
      assert.ok(!signed.signedWith('other'))
      const plain = parseSegment(syn(version, 'none'))
      assert.ok(plain !== undefined && !plain.md5 && !plain.signedWith(''))
      assert.ok(parseSegment(syn(version, 'ao'))?.authenticationOption)
    })

    it(`may be cut off or made up anywhere, IPv${version}`, () => {
      const whole = syn(version, 'md5', 'secret')
      for (let length = 0; length < whole.length; length++)
        assert.equal(parseSegment(whole.subarray(0, length)), undefined)
      for (let at = 0; at < whole.length; at++)
        for (const value of [0, 1, 0x0f, 0xf0, 0xff]) {
          const changed = whole.slice()
          changed[at] = value
          parseSegment(changed)?.signedWith('secret')
        }
    })
  }
})
