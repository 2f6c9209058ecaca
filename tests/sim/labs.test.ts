/** The labs of the repository, played without root. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readManifest } from '#lab/manifests.ts'
import { loadTopology } from '#lab/topology.ts'
import { runDemo } from '#sim/demo.ts'
import { siteOfTopology } from '#sim/site-of-topology.ts'

const labs = fileURLToPath(new URL('../../labs/', import.meta.url))

describe('a lab in the simulator', () => {
  for (const { name, addresses, sessions } of [
    { name: 'cilium-bird', addresses: 1, sessions: 3 },
    { name: 'cilium-bird-ipv6', addresses: 2, sessions: 6 },
  ]) {
    it(`comes up and answers: ${name}`, () => {
      const loaded = loadTopology(join(labs, name))
      assert.ok(loaded.ok)
      const topology = loaded.value
      const manifests = topology.manifests.flatMap(({ file }) => readManifest(join(topology.folder, file)))
      const report = runDemo({ site: siteOfTopology(topology, 'cilium'), manifests })
      assert.deepEqual(report.problems, [])
      assert.deepEqual(
        report.sessions.map(({ state }) => state),
        Array(sessions).fill('established'),
      )
      const nginx = report.services.find((service) => service.name === 'nginx')
      assert.equal(nginx?.addresses.length, addresses)
      assert.equal(report.probes.length, 2 * addresses)
      for (const probe of report.probes) assert.equal(probe.status, 200, probe.reason)
    })
  }
})
