import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ApiError } from './api-error.ts'
import { readProtobuf } from './protobuf.ts'

const field = (number: number, value: Uint8Array | string) => {
  const bytes = Buffer.from(value)
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes])
}
const number = (number: number, value: number) =>
  Buffer.from(number < 16 ? [number << 3, value] : [((number << 3) & 0x7f) | 0x80, number >> 4, value])
const join = (...parts: Uint8Array[]) => Buffer.concat(parts)
const envelope = (kind: string, raw: Uint8Array) =>
  join(
    Buffer.from('k8s\0'),
    field(1, join(field(1, 'v1'), field(2, kind))),
    field(2, raw),
    field(3, ''),
    field(4, ''),
  )

test('an object is read with its maps, lists, numbers and pointers', () => {
  const port = join(
    field(1, ''),
    field(2, 'TCP'),
    number(3, 80),
    field(4, join(number(1, 1), field(3, 'web'))),
  )
  const spec = join(
    field(1, port),
    field(2, join(field(1, 'app'), field(2, 'x'))),
    number(20, 0),
    number(13, 0),
  )
  const raw = join(field(1, field(1, 'svc')), field(2, spec), field(3, field(1, '')))
  assert.deepEqual(readProtobuf(envelope('Service', raw)), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'svc' },
    spec: {
      ports: [{ protocol: 'TCP', port: 80, targetPort: 'web' }],
      selector: { app: 'x' },
      allocateLoadBalancerNodePorts: false,
    },
    status: { loadBalancer: {} },
  })
})

/** A Namespace that was made at so many seconds since 1970. */
const madeAt = (seconds: bigint) => {
  const octets: number[] = []
  for (let rest = BigInt.asUintN(64, seconds); ; rest >>= 7n) {
    octets.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0))
    if (rest <= 0x7fn) break
  }
  return envelope('Namespace', field(1, field(8, Buffer.from([1 << 3, ...octets]))))
}

test('times are read, also those before 1970', () => {
  for (const [seconds, text] of [
    [1_767_225_600n, '2026-01-01T00:00:00Z'],
    [-62_135_596_800n, '0001-01-01T00:00:00Z'],
  ] as const)
    assert.deepEqual(readProtobuf(madeAt(seconds))['metadata'], { creationTimestamp: text })
})

test('what is unknown or broken is refused, never dropped', () => {
  const bad: Uint8Array[] = [
    Buffer.from('k8s'),
    Buffer.from('{}'),
    envelope('Gadget', Buffer.alloc(0)),
    envelope('Namespace', field(9, 'x')),
    envelope('Namespace', Buffer.from([0x0a, 0x7f])),
    envelope('Namespace', Buffer.from([0x0d, 1, 2, 3, 4])),
    envelope('Namespace', Buffer.alloc(12, 0xff)),
    envelope('Namespace', number(1, 1)),
    envelope('__proto__', Buffer.alloc(0)),
    madeAt(2n ** 62n),
  ]
  for (const body of bad)
    assert.throws(
      () => readProtobuf(body),
      (error) => error instanceof ApiError && error.code === 415,
    )
})
