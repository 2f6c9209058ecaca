import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LineSplitter, LineTooLong } from './line-splitter.ts'

const text = Buffer.from('{"a":"ä"}\n\n{"b":2}\nrest')

test('gives the same lines whatever the cuts', () => {
  for (let size = 1; size <= text.length; size++) {
    const splitter = new LineSplitter()
    const lines: string[] = []
    for (let at = 0; at < text.length; at += size) lines.push(...splitter.push(text.subarray(at, at + size)))
    assert.deepEqual(lines, ['{"a":"ä"}', '{"b":2}'], `cut every ${size} bytes`)
  }
})

test('refuses a line without end', () => {
  const splitter = new LineSplitter(8)
  assert.throws(() => splitter.push(Buffer.from('123456789')), LineTooLong)
})
