/** What `herald lab up` shows when a lab is up: sessions, addresses, routes, answers, and the commands to go on with. */
import type { PeerRow, ServiceRow } from '#api/contract/contract.ts'
import { compareText } from '#core/lib/order.ts'
import { heading, renderTable } from './table.ts'
import { peersTable, servicesTable } from './views.ts'

export interface LabFacts {
  title: string
  clusters: { name: string; peers: PeerRow[]; services: ServiceRow[]; kubeconfig: string; server: string }[]
  /** `routes`: what the router itself prints; `command`: how to ask it more. */
  routers: { name: string; engine: string; routes: string; command: string }[]
  /** Answers that a client got from a Service. */
  probes: { client: string; url: string; command: string; answers: string[] }[]
}

/** The whole screen as text. `now`: milliseconds since 1970, for uptimes. */
export function labScreen(facts: LabFacts, now: number): string {
  const sections: string[] = [`\n${facts.title}`]
  for (const { name, peers, services } of facts.clusters) {
    sections.push(heading(`Sessions of cluster ${name}`), peersTable(peers, now, false))
    sections.push(heading('Services'), servicesTable(services, false))
  }
  for (const { name, engine, routes } of facts.routers) {
    sections.push(heading(`Routes in ${name} (${engine})`), routes.trimEnd())
  }
  for (const { client, url, answers } of facts.probes) {
    sections.push(heading(`${client} asks ${url}`), ...tally(answers))
  }
  sections.push(heading('Go on with'), renderTable(['TO', 'TYPE'], commands(facts)))
  sections.push('\nCtrl-C ends the lab and removes everything it made.')
  return sections.join('\n')
}

function commands({ clusters, routers, probes }: LabFacts): string[][] {
  const rows: string[][] = []
  for (const { kubeconfig, server, services } of clusters) {
    const kubectl = `kubectl --kubeconfig ${kubeconfig}`
    const herald = `HERALD_SERVER=${server} bin/herald`
    rows.push(['see the cluster', `${kubectl} get nodes,pods,svc -o wide`])
    rows.push(['see the sessions', `${herald} get peers -o wide`])
    rows.push(['see what is announced', `${herald} get routes advertised`])
    rows.push(['see why, or why not', `${herald} get services -o wide`])
    const service = services[0]
    if (service !== undefined) {
      const at = `-n ${service.namespace}`
      rows.push(['withdraw it', `${kubectl} ${at} scale deployment ${service.name} --replicas 0`])
      rows.push(['free its address', `${kubectl} ${at} delete svc ${service.name}`])
    }
  }
  for (const { name, engine, command } of routers) {
    rows.push([`ask ${name}`, `${command} ${routeQuestions[engine] ?? 'routes'}`.trimEnd()])
  }
  for (const { client, command } of probes) rows.push([`ask as ${client}`, command])
  return rows
}

/** What a person types after a router's command to see its routes. */
const routeQuestions: Record<string, string> = {
  bird: 'show route',
  frr: "-c 'show ip bgp'",
  gobgp: 'global rib',
  openbgpd: 'show rib',
  exabgp: '',
}

/** Equal answers once, with their number. */
function tally(answers: readonly string[]): string[] {
  const counts = new Map<string, number>()
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1)
  return [...counts]
    .toSorted(([a], [b]) => compareText(a, b))
    .map(([answer, count]) => `${String(count).padStart(3)} × ${answer}`)
}
