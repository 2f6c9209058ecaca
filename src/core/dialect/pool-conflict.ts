/** Pools whose addresses overlap: the older one is used, the newer one gives nothing out until the overlap is gone. */
import { showObject, type Problem } from '#core/lib/reason.ts'
import { mergeRanges, parseRange, rangesOverlap, showRange, type AddressRange } from '#core/net/range.ts'
import { refOf } from '#core/schema/object.ts'
import { compareAge } from './age.ts'
import { sourceOf, type DerivedPool } from './native-set.ts'

/** One range of a pool, and its index in `spec.ranges`. */
interface Piece {
  pool: DerivedPool
  index: number
  range: AddressRange
}

/** The same pools, oldest first; those that overlap an older one or themselves are disabled and say why. */
export function settlePools(pools: readonly DerivedPool[]): DerivedPool[] {
  const used: Piece[] = []
  return pools
    .toSorted((a, b) => compareAge(a.source, b.source))
    .map((pool) => {
      const pieces = piecesOf(pool)
      const conflict = conflictWithin(pieces) ?? conflictBetween(pieces, used)
      if (conflict === undefined) {
        used.push(...pieces)
        return pool
      }
      const { resource } = pool
      const ranges = mergeRanges(pieces.map(({ range }) => range)).map(showRange)
      return {
        ...pool,
        resource: { ...resource, spec: { ...resource.spec, ranges, disabled: true } },
        conflict,
      }
    })
}

function piecesOf(pool: DerivedPool): Piece[] {
  return pool.resource.spec.ranges.flatMap((text, index) => {
    const range = parseRange(text)
    return range.ok ? [{ pool, index, range: range.value }] : []
  })
}

function conflictWithin(pieces: readonly Piece[]): Problem | undefined {
  for (const [i, piece] of pieces.entries()) {
    const earlier = pieces.slice(0, i).find((other) => rangesOverlap(other.range, piece.range))
    if (earlier !== undefined) return conflictOf(piece, earlier)
  }
  return undefined
}

function conflictBetween(pieces: readonly Piece[], used: readonly Piece[]): Problem | undefined {
  for (const piece of pieces) {
    const other = used.find(({ range }) => rangesOverlap(range, piece.range))
    if (other !== undefined) return conflictOf(piece, other)
  }
  return undefined
}

function conflictOf(piece: Piece, other: Piece): Problem {
  const range = piece.pool.resource.spec.ranges[piece.index]
  const otherRange = other.pool.resource.spec.ranges[other.index]
  const self = piece.pool === other.pool
  const whose = self ? 'of the same pool' : `of the older ${showObject(refOf(other.pool.source))}`
  return {
    rule: 'PoolConflict',
    message: `${range} overlaps ${otherRange} ${whose}, so this pool gives out no addresses`,
    hint: 'change or remove one of the two',
    ...sourceOf(piece.pool, `spec.ranges[${piece.index}]`),
    other: refOf(other.pool.source),
  }
}
