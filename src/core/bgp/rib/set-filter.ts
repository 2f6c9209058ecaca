/** Whether attribute sets fit what a question asks of attributes, judged on their bytes: only what is shown is decoded. */
import type { AsPathSegment } from '../attributes.ts'
import type { RouteFilter } from '../io.ts'
import { compileAsPathSet } from '../policy/as-path-set.ts'
import { decodeAsPath } from '../wire/as-path.ts'
import { attributeFlag, attributeType } from '../wire/attribute-codes.ts'
import type { AttributeStore } from './attribute-store.ts'

type Asked = Pick<RouteFilter, 'community' | 'largeCommunity' | 'asPath'>
interface BlockTest {
  fits: (block: Uint8Array) => boolean
  /** What asking costs, in units of about 10 ns, besides one per octet. */
  cost: number
}

/** Each set is judged once; `spend` is told what that costs, in units of about 10 ns. */
export function setFilter(
  asked: Asked,
  store: AttributeStore,
  spend: (cost: number) => void,
): (set: number) => boolean {
  const tests = testsOf(asked)
  if (tests.length === 0) return () => true
  const cost = tests.reduce((sum, test) => sum + test.cost, 0)
  const known = new Map<number, boolean>()
  return (set) => {
    let fits = known.get(set)
    if (fits === undefined) {
      const block = store.block(set)
      known.set(set, (fits = tests.every((test) => test.fits(block))))
      spend(cost + block.length)
    }
    return fits
  }
}

function testsOf({ community, largeCommunity, asPath }: Asked): BlockTest[] {
  const tests: BlockTest[] = []
  if (community !== undefined) tests.push(hasMember(attributeType.communities, [community]))
  if (largeCommunity !== undefined) tests.push(hasMember(attributeType.largeCommunities, largeCommunity))
  if (asPath !== undefined) {
    const fits = pathTest(asPath)
    tests.push({
      fits(block) {
        const { start, end } = valueOf(block, attributeType.asPath)
        return fits(decodeAsPath(block.subarray(start, end), 4))
      },
      cost: 400,
    })
  }
  return tests
}

/** Whether one of the communities of this type consists of these words of 32 bits. */
function hasMember(type: number, words: readonly number[]): BlockTest {
  return {
    fits(block) {
      const { start, end } = valueOf(block, type)
      for (let at = start; at < end; at += 4 * words.length)
        if (words.every((word, i) => wordAt(block, at + 4 * i) === word)) return true
      return false
    },
    cost: 20,
  }
}

/** Where the value of this attribute lies in a canonical block; nowhere if it has none. */
function valueOf(block: Uint8Array, type: number): { start: number; end: number } {
  for (let at = 0; at < block.length;) {
    const extended = (block[at]! & attributeFlag.extendedLength) !== 0
    const start = at + (extended ? 4 : 3)
    const end = start + (extended ? (block[at + 2]! << 8) | block[at + 3]! : block[at + 2]!)
    if (block[at + 1] === type) return { start, end }
    at = end
  }
  return { start: 0, end: 0 }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

type PathTest = (path: readonly AsPathSegment[]) => boolean

/** The last one that was made: the pages of an answer follow one another. */
let lastPathTest: { source: string; test: PathTest } | undefined

/** One that is no regular expression fits no path. */
function pathTest(source: string): PathTest {
  if (lastPathTest?.source === source) return lastPathTest.test
  let usable = true
  const set = compileAsPathSet([{ kind: 'regex', source }], () => {
    usable = false
  })
  const test: PathTest = (path) => usable && set('any', path, 0)
  lastPathTest = { source, test }
  return test
}
