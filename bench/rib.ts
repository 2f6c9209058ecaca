/**
 * What a route costs, from the bytes of a socket to the bytes for others, by stage: `npm run bench -- rib [routes]`. Every
 * stage goes through `Bgp.handle`; UPDATEs are prepared before the clock starts, with six routes each on average, prefix
 * lengths as on the Internet and 5000 attribute sets per neighbour, in chunks as a socket gives them. For work on the RIB: it
 * prints, and writes no page.
 */
import { families, type Family } from '#core/bgp/family.ts'
import { chunksOf, Driver } from './rib-driver.ts'

/** `routes`: of each neighbour and family. */
export function run(routes: number): void {
  for (const family of families) for (let seed = 0; seed < 3; seed++) runOnce(family, routes, seed)
}

function runOnce(family: Family, routes: number, seed: number): void {
  console.log(`${family}, ${routes} routes, run ${seed + 1}`)
  const first = chunksOf(family, routes, 1, 'announce')
  const second = chunksOf(family, routes, 2, 'announce')
  const gone = chunksOf(family, routes, 1, 'withdraw')
  const speaker = new Driver(seed, 2)
  speaker.up(1)
  const before = memory()
  speaker.measure(routes, 'ingest from one, send to none', () => speaker.feed(1, first))
  console.log(`  ${((memory() - before) / routes).toFixed(0)} B per route`)
  speaker.measure(routes, 'the same again', () => speaker.feed(1, first))
  speaker.up(2)
  speaker.measure(routes, 'first transfer to another', () => speaker.settle())
  speaker.measure(routes, 'the same from the other', () => speaker.feed(2, second))
  speaker.measure(routes, 'withdrawn by one', () => speaker.feed(1, gone))
  speaker.measure(routes, 'the other lost', () => speaker.lose(2))
  const fan = new Driver(seed, 51)
  for (let peer = 1; peer <= 51; peer++) fan.up(peer)
  const some = chunksOf(family, routes / 10, 1, 'announce')
  fan.measure(routes / 10, 'a tenth from one to fifty', () => fan.feed(1, some))
  fan.measure(routes / 10, 'the one lost', () => fan.lose(1))
  const late = new Driver(seed, 51)
  late.up(1)
  late.feed(1, some)
  late.measure(routes / 10, 'a tenth to fifty that come up', () => {
    for (let peer = 2; peer <= 51; peer++) late.up(peer)
    late.settle()
  })
}

function memory(): number {
  globalThis.gc?.()
  const { heapUsed, external, arrayBuffers } = process.memoryUsage()
  return heapUsed + Math.max(external, arrayBuffers)
}
