import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address } from './address.ts'
import {
  allNodes,
  allRouters,
  parseRouterMessage,
  routerAdvertisement,
  routerPacket,
  routerSolicitation,
} from './router-message.ts'

const source = address('fe80::9')
const advertisement = () => routerPacket(routerAdvertisement(), source, allNodes)

/** The same packet with another byte at a place of it, its checksum made right again. */
function changed(packet: Uint8Array, at: number, value: number): Uint8Array {
  const message = packet.slice(40)
  if (at >= 40) message[at - 40] = value
  const made = routerPacket(message, source, allNodes)
  if (at < 40) made[at] = value
  return made
}

test('RFC 4861 §4.1, §4.2: solicitations and advertisements are known with their source', () => {
  assert.deepEqual(parseRouterMessage(advertisement()), { kind: 'advertisement', source })
  const solicitation = routerPacket(routerSolicitation(), source, allRouters)
  assert.deepEqual(parseRouterMessage(solicitation), { kind: 'solicitation', source })
  const unspecified = routerPacket(routerSolicitation(), address('::'), allRouters)
  assert.equal(parseRouterMessage(unspecified)?.kind, 'solicitation')
})

test('RFC 4861 §4.2: options are stepped over', () => {
  const message = new Uint8Array(24)
  message.set(routerAdvertisement())
  message.set([1, 1, 2, 0, 0, 0, 0, 9], 16)
  assert.equal(parseRouterMessage(routerPacket(message, source, allNodes))?.kind, 'advertisement')
})

test('RFC 4861 §6.1: what is not valid is dropped', () => {
  const option = new Uint8Array(24)
  option.set(routerAdvertisement())
  const long = new Uint8Array(24)
  long.set(routerAdvertisement())
  long[17] = 2
  const sum = advertisement()
  sum[42]! ^= 1
  for (const { name, packet } of [
    { name: 'hop limit 254', packet: changed(advertisement(), 7, 254) },
    { name: 'another protocol', packet: changed(advertisement(), 6, 17) },
    { name: 'IPv4', packet: changed(advertisement(), 0, 0x45) },
    { name: 'code 1', packet: changed(advertisement(), 41, 1) },
    { name: 'a wrong checksum', packet: sum },
    {
      name: 'a source that is not link-local',
      packet: routerPacket(routerAdvertisement(), address('2001:db8::9'), allNodes),
    },
    { name: 'an option without length', packet: routerPacket(option, source, allNodes) },
    { name: 'an option that is longer than the packet', packet: routerPacket(long, source, allNodes) },
    {
      name: 'a short advertisement',
      packet: routerPacket(routerAdvertisement().slice(0, 12), source, allNodes),
    },
    { name: 'a neighbour solicitation', packet: changed(advertisement(), 40, 135) },
  ])
    assert.equal(parseRouterMessage(packet), undefined, name)
  const whole = advertisement()
  for (let length = 0; length < whole.length; length++)
    assert.equal(parseRouterMessage(whole.subarray(0, length)), undefined)
})
