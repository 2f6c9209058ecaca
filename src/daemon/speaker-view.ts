/** What a speaker shows of itself through the API. */
import type { Version } from '#api/contract/contract.ts'
import type { SpeakerView } from '#api/speaker-backend.ts'
import type { Speaker } from '#core/speaker/speaker.ts'
import type { Changes } from './changes.ts'
import type { Beside } from './beside.ts'

/** Reads the speaker at each call; `changes` tells when to call again. */
export function speakerView(
  speaker: Speaker,
  beside: Beside,
  version: Version & { node: string },
  changes: Changes,
): SpeakerView {
  return {
    version,
    node: version.node,
    plan: () => speaker.plan(),
    peers: (instance) => speaker.peers(instance),
    routes: (instance, table, filter) => speaker.routes(instance, table, filter),
    rpkiCaches: (instance) => beside.rpkiCaches(instance),
    stations: (instance) => beside.stations(instance),
    subscribe: (changed) => changes.subscribe(changed),
  }
}
