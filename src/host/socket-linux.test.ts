import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { address, addressBits, type Address, type IpVersion } from '#core/net/address.ts'
import {
  IP_TOS,
  IP_TTL,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_TCLASS,
  IPV6_UNICAST_HOPS,
  IPV6_V6ONLY,
  libc,
} from './libc.ts'
import {
  aoKeyToAdd,
  aoKeyToDelete,
  boundPort,
  openListeningSocket,
  openSocket,
  setMd5Key,
  setTtl,
} from './socket-linux.ts'

const versions: { version: IpVersion; loopback: Address }[] = [
  { version: 4, loopback: address('127.0.0.1') },
  { version: 6, loopback: address('::1') },
]

describe('a socket of Linux', { skip: process.platform !== 'linux' && 'needs Linux' }, () => {
  for (const { version, loopback } of versions) {
    it(`sends with the TTL and the traffic class that were set, IPv${version}`, () => {
      const fd = openSocket(version)
      setTtl(fd, version, 255)
      const level = version === 4 ? IPPROTO_IP : IPPROTO_IPV6
      assert.equal(option(fd, level, version === 4 ? IP_TTL : IPV6_UNICAST_HOPS), 255)
      assert.equal(option(fd, level, version === 4 ? IP_TOS : IPV6_TCLASS), 0xc0)
      libc().close(fd)
    })

    it(`is bound to a port that can be asked for, IPv${version}`, () => {
      const fd = openListeningSocket(version, loopback, 0)
      assert.ok(boundPort(fd) >= 1024)
      if (version === 6) assert.equal(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1)
      libc().close(fd)
    })

    it(`deletes an MD5 key that was never set without complaint, IPv${version}`, () => {
      const fd = openSocket(version)
      setMd5Key(fd, loopback, addressBits(version), new Uint8Array())
      libc().close(fd)
    })
  }

  it('names the error of a call that the kernel refuses', () => {
    assert.throws(() => libc().close(-1), { name: 'SystemError', code: 'EBADF', message: 'close: EBADF' })
  })
})

for (const { version, loopback } of versions) {
  const length = addressBits(version)

  it(`a TCP-AO key is laid out as struct tcp_ao_add, IPv${version}`, () => {
    const key = { keyId: 7, algorithm: 'hmac-sha-1-96', key: 'sésame' } as const
    const bytes = aoKeyToAdd(loopback, length, key)
    assert.equal(bytes.length, 288)
    assert.equal(new DataView(bytes.buffer).getUint16(0, true), version === 4 ? 2 : 10)
    assert.equal(text(bytes.subarray(128, 192)), 'hmac(sha1)')
    assert.deepEqual([...bytes.subarray(192, 202)], Array(10).fill(0))
    // Prefix length, SendID, RecvID, octets of the code (RFC 5926 §3.2), flags, octets of the key.
    assert.deepEqual([...bytes.subarray(202, 208)], [length, 7, 7, 12, 0, 7])
    assert.equal(text(bytes.subarray(208)), 'sésame')
    const other = aoKeyToAdd(loopback, length, { ...key, algorithm: 'aes-128-cmac-96' })
    assert.equal(text(other.subarray(128, 192)), 'cmac(aes128)')
  })

  it(`a TCP-AO key to delete is laid out as struct tcp_ao_del, IPv${version}`, () => {
    const bytes = aoKeyToDelete(loopback, length, 7)
    assert.equal(bytes.length, 144)
    assert.deepEqual([...bytes.subarray(128)], [...Array(10).fill(0), length, 7, 7, 0, 0, 0])
  })
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)))
}

function option(fd: number, level: number, name: number): number {
  const value = new Uint8Array(4)
  assert.equal(libc().getsockopt(fd, level, name, value), 4)
  return new DataView(value.buffer).getInt32(0, true)
}
