import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeUtf8, utf8Bytes } from './utf8.ts'

test('text survives the way to bytes and back', () => {
  for (const text of ['', 'router', 'Wartung um 12 Uhr – später', '维护', '🚧'])
    assert.equal(decodeUtf8(Uint8Array.from(utf8Bytes(text, 255))), text)
})

test('a text that is too long is cut at a character', () => {
  assert.equal(decodeUtf8(Uint8Array.from(utf8Bytes('aé🚧', 6))), 'aé')
  assert.deepEqual(utf8Bytes('\ud800', 3), [0xef, 0xbf, 0xbd])
})

test('what is no UTF-8 is no text, and control characters become spaces', () => {
  assert.equal(decodeUtf8(Uint8Array.of(0xff)), undefined)
  assert.equal(decodeUtf8(Uint8Array.of(0x61, 0x1b, 0x62)), 'a b')
})
