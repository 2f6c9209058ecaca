/** One cluster of a lab played by the simulator: the same topology and manifests on virtual time, and what came of it. */
import { resolve } from 'node:path'
import { peerRow } from '#api/rows.ts'
import { asPathText } from '#core/bgp/as-path-text.ts'
import { heading, renderTable } from '#cli/table.ts'
import type { Terminal } from '#cli/terminal.ts'
import { peersTable } from '#cli/views.ts'
import { urlHost } from '#core/net/address.ts'
import { readManifest } from '#lab/manifests.ts'
import type { Topology } from '#lab/topology.ts'
import { runDemo, type DemoReport } from '#sim/demo.ts'
import { siteOfTopology } from '#sim/site-of-topology.ts'

/** Plays the manifests of one cluster to their end, in no time, and prints what came of it. */
export function playSimulation(topology: Topology, cluster: string, terminal: Terminal): void {
  const files = topology.manifests.filter((manifest) => manifest.cluster === cluster)
  const manifests = files.flatMap(({ file }) => readManifest(resolve(topology.folder, file)))
  terminal.out(simulationScreen(cluster, runDemo({ site: siteOfTopology(topology, cluster), manifests })))
}

function simulationScreen(cluster: string, report: DemoReport): string {
  const seconds = (report.elapsedMs / 1000).toFixed(1)
  const sessions = report.sessions.map((session) => peerRow(session.node, '', session, { reasons: [] }))
  const happened = report.timeline.map(({ at, who, what }) => [`${(at / 1000).toFixed(3)} s`, who, what])
  const services = report.services.map((s) => [
    s.namespace,
    s.name,
    s.addresses.join(',') || '<pending>',
    String(s.readyEndpoints),
  ])
  const routes = report.routes.map((r) => [
    r.router,
    r.prefix,
    r.attributes.nextHop,
    asPathText(r.attributes.asPath),
  ])
  const answers = report.probes.map((probe) => [
    probe.router,
    `http://${urlHost(probe.address)}:${probe.port}`,
    probe.status === undefined
      ? (probe.reason ?? 'no answer')
      : `${probe.status} pod ${probe.pod} node ${probe.node}`,
  ])
  return [
    heading(`What happened in cluster ${cluster}, in ${seconds} s of its own time (seed ${report.seed})`),
    renderTable(['AT', 'WHO', 'WHAT'], happened),
    heading('Sessions'),
    peersTable(sessions, report.now, false),
    heading('Services'),
    renderTable(['NAMESPACE', 'NAME', 'EXTERNAL-IP', 'READY ENDPOINTS'], services),
    heading('Best routes'),
    renderTable(['ROUTER', 'PREFIX', 'NEXT HOP', 'AS PATH'], routes),
    heading('Answers to a client behind the router'),
    renderTable(['BEHIND', 'URL', 'ANSWER'], answers),
    ...(report.problems.length > 0 ? [heading('Problems'), ...report.problems] : []),
  ].join('\n')
}
