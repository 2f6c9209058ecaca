import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteReader, ByteWriter, equalBytes, hex } from './bytes.ts'

test('what a writer writes a reader reads', () => {
  const bytes = new ByteWriter(1)
    .u8(0xab)
    .u16(0)
    .u32(0xffff_fffe)
    .raw(Uint8Array.of(1, 2, 3))
    .patchU16(1, 0xbeef)
    .finish()
  assert.equal(hex(bytes), 'abbeeffffffffe010203')
  const reader = new ByteReader(bytes)
  assert.deepEqual([reader.u8(), reader.u16(), reader.u32()], [0xab, 0xbeef, 0xffff_fffe])
  assert.deepEqual([...reader.take(3)], [1, 2, 3])
  assert.deepEqual([reader.remaining, reader.failed], [0, false])
})

test('a reader that once read past its end stays failed and gives nothing', () => {
  const reader = new ByteReader(Uint8Array.of(1, 2, 3))
  assert.equal(reader.u32(), 0)
  assert.equal(reader.failed, true)
  assert.deepEqual([reader.u8(), reader.take(1).length, reader.offset], [0, 0, 0])
})

test('a part ends where it should, and the reader goes on after it', () => {
  const reader = new ByteReader(Uint8Array.of(1, 2, 3, 4))
  const part = reader.part(2)
  assert.deepEqual([part.u8(), part.u8(), part.remaining], [1, 2, 0])
  assert.equal(part.u8(), 0)
  assert.deepEqual([part.failed, reader.failed, reader.u8()], [true, false, 3])
  assert.equal(reader.part(2).failed, true)
  assert.equal(reader.failed, true)
})

test('compares bytes by length and content', () => {
  assert.equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)), true)
  assert.equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3)), false)
  assert.equal(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1)), false)
})
