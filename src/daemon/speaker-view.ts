/** What a speaker shows of itself through the API. */
import type { Version } from '#api/contract/contract.ts'
import type { SpeakerView } from '#api/speaker-backend.ts'
import type { Changes } from './changes.ts'
import type { Beside } from './beside.ts'
import type { SpeakerLoop } from './speaker-loop.ts'

/** Reads the speaker at each call; `changes` tells when to call again. */
export function speakerView(
  loop: Pick<SpeakerLoop, 'speaker' | 'input'>,
  beside: Beside,
  version: Version & { node: string },
  changes: Changes,
): SpeakerView {
  const { speaker } = loop
  return {
    version,
    node: version.node,
    plan: () => speaker.plan(),
    peers: (instance) => speaker.peers(instance),
    routePage: (...query) => speaker.routePage(...query),
    withheld: (...query) => speaker.withheld(...query),
    command: (instance, peer, command) => loop.input({ kind: 'command', instance, peer, command }),
    rpkiCaches: (instance) => beside.rpkiCaches(instance),
    stations: (instance) => beside.stations(instance),
    subscribe: (changed) => changes.subscribe(changed),
  }
}
