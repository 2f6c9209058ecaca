/** The AS path that a path is sent with (RFC 4271 §5.1.2, RFC 5065 §4.1, RFC 7705 §3, RFC 7947 §2.2.2). */
import type { AsPathSegment } from '../attributes.ts'
import { isConfederation } from '../wire/as-path.ts'
import type { ExportTarget } from './export.ts'
import type { PathSource } from './path-source.ts'
import { prepended } from './rewrite.ts'

/** The speaker's AS number as a neighbour without local-as sees it: outside a confederation the confederation's. */
export function shownAsn({
  kind,
  localAsn,
  confederation,
}: Pick<ExportTarget, 'kind' | 'localAsn' | 'confederation'>): number {
  return kind === 'external' ? (confederation?.id ?? localAsn) : localAsn
}

export function sentPath(
  target: ExportTarget,
  source: PathSource,
  path: readonly AsPathSegment[],
): AsPathSegment[] {
  if (target.kind === 'internal') return [...path]
  // RFC 5065 §4.1 b: the way through the confederation, member by member.
  if (target.kind === 'confed') return prepended(path, 'confedSequence', [target.localAsn])
  // RFC 5065 §4.1 c: and none of it for the world.
  const outside = path.filter((segment) => !isConfederation(segment))
  const own = shownAsn(target)
  const cleaned = target.removePrivateAs === undefined ? outside : withoutPrivate(target, outside, own)
  // RFC 7947 §2.2.2: a route server is not on the way.
  if (target.routeServerClient === true && source.kind !== 'own') return cleaned
  const { localAs } = target
  // RFC 7705 §3.2: the number that the neighbour knows goes in front; with replace-as the other is not shown.
  const added =
    localAs === undefined || localAs.asn === own
      ? [own]
      : localAs.replaceAs
        ? [localAs.asn]
        : [localAs.asn, own]
  return prepended(cleaned, 'sequence', added)
}

/** Without RFC 6996 §5 numbers, but the neighbour's own: it must still find itself in the path. */
function withoutPrivate(
  { asn: neighbour, removePrivateAs }: ExportTarget,
  path: readonly AsPathSegment[],
  own: number,
): AsPathSegment[] {
  const hidden = (asn: number) => isPrivate(asn) && asn !== neighbour
  return path
    .map(({ kind, asns }) => ({
      kind,
      asns:
        removePrivateAs === 'replace'
          ? asns.map((asn) => (hidden(asn) ? own : asn))
          : asns.filter((asn) => !hidden(asn)),
    }))
    .filter(({ asns }) => asns.length > 0)
}

/** RFC 6996 §5. */
function isPrivate(asn: number): boolean {
  return (asn >= 64512 && asn <= 65534) || (asn >= 4_200_000_000 && asn <= 4_294_967_294)
}
