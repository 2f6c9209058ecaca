/** What a speaker shows of itself through the API. */
import type { Version } from '#api/contract/contract.ts'
import type { SpeakerView } from '#api/speaker-backend.ts'
import type { Speaker } from '#core/speaker/speaker.ts'
import type { Changes } from './changes.ts'

/** Reads the speaker at each call; `changes` tells when to call again. */
export function speakerView(
  speaker: Speaker,
  version: Version & { node: string },
  changes: Changes,
): SpeakerView {
  return {
    version,
    node: version.node,
    plan: () => speaker.plan(),
    peers: (instance) => speaker.peers(instance),
    routes: (instance, table, filter) => speaker.routes(instance, table, filter),
    subscribe: (changed) => changes.subscribe(changed),
  }
}
