/** What a daemon says about its way to the API server. */
import type { KubeClient } from '#kube/client/client.ts'
import type { SnapshotSourceOptions } from '#kube/client/snapshot-source.ts'
import type { Logger } from './log.ts'

/** For a {@link SnapshotSourceOptions}: each outage is logged once, and its end. */
export function observe(
  log: Logger,
  client: KubeClient,
): Required<Pick<SnapshotSourceOptions, 'failed' | 'recovered'>> {
  const { server } = client
  return {
    failed: (resource, error) =>
      log.warn('cannot observe; what runs keeps running', { resource, server, error: error.message }),
    recovered: (resource) => log.info('observes again', { resource, server }),
  }
}
