/**
 * What a route costs, from the bytes of a socket to the bytes for others, by stage: `npm run bench -- rib [routes]`. Every
 * stage goes through `Bgp.handle`; UPDATEs are prepared before the clock starts, with six routes each on average, prefix
 * lengths as on the Internet and 5000 attribute sets per neighbour, in chunks as a socket gives them. Then what stays in memory:
 * after changes without end, and when all routes have gone. For work on the RIB: it prints, and writes no page.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { families, type Family } from '#core/bgp/family.ts'
import { chunksOf, Driver } from './rib-driver.ts'

/** Times that every route changes while memory is watched. */
const churnRounds = 12

/** `routes`: of each neighbour and family. */
export function run(routes: number): void {
  for (const family of families) for (let seed = 0; seed < 3; seed++) runOnce(family, routes, seed)
}

function runOnce(family: Family, routes: number, seed: number): void {
  console.log(`${family}, ${routes} routes, run ${seed + 1}`)
  const first = chunksOf(family, routes, 1, 'announce')
  const second = chunksOf(family, routes, 2, 'announce')
  const gone = chunksOf(family, routes, 1, 'withdraw')
  const changes = [3, 4, 1].map((attributes) => chunksOf(family, routes, 1, 'announce', attributes))
  const speaker = new Driver(seed, 2)
  speaker.up(1)
  const before = memory()
  speaker.measure(routes, 'ingest from one, send to none', () => speaker.feed(1, first))
  const held = (what: string) => {
    const now = memory()
    const [tables, objects] = [now.tables - before.tables, now.objects - before.objects].map((bytes) =>
      (bytes / routes).toFixed(1).padStart(6),
    )
    console.log(`  ${what.padEnd(30)} ${tables} B/route of tables, ${objects} B/route of objects held`)
  }
  held('with one table')
  speaker.measure(routes, 'the same again', () => speaker.feed(1, first))
  speaker.up(2)
  speaker.measure(routes, 'first transfer to another', () => speaker.settle())
  speaker.measure(routes, 'the same from the other', () => speaker.feed(2, second))
  speaker.measure(routes, 'withdrawn by one', () => speaker.feed(1, gone))
  speaker.measure(routes, 'the other lost', () => speaker.lose(2))
  held('with nothing left')
  speaker.feed(1, first)
  held('with one table again')
  speaker.measure(churnRounds * routes, 'changed, again and again', () => {
    for (let round = 0; round < churnRounds; round++)
      speaker.feed(1, round % 4 === 3 ? gone : changes[round % changes.length]!)
  })
  speaker.feed(1, first)
  held('with one table after that')
  speaker.lose(1)
  held('with nothing left again')
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

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Typed arrays and what else lives, in bytes. */
function memory(): { tables: number; objects: number } {
  // Arrays that the first one finds are freed beside it.
  collectGarbage()
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return { tables: arrayBuffers, objects: heapUsed }
}
