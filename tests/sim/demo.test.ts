import assert from 'node:assert/strict'
import { it } from 'node:test'
import { runDemo } from '#sim/demo.ts'
import { ciliumManifests, ciliumSite } from './cilium-site.ts'

it('plays the walk-through without root and reports what a user would look for', () => {
  const report = runDemo({ site: ciliumSite, manifests: ciliumManifests })
  assert.deepEqual(
    report.sessions.map(({ state }) => state),
    ['established', 'established', 'established'],
  )
  const nginx = report.services.find(({ name }) => name === 'nginx')!
  assert.equal(nginx.readyEndpoints, 2)
  assert.equal(nginx.addresses.length, 1)
  assert.ok(report.routes.some(({ prefix }) => prefix === `${nginx.addresses[0]}/32`))
  assert.equal(report.routes.length, 4, 'the address and three pod networks')
  assert.deepEqual(
    report.probes.map(({ status }) => status),
    [200, 200],
  )
  assert.deepEqual(report.problems, [])
  assert.ok(report.elapsedMs < 60_000, `${report.elapsedMs} ms`)
  const said = report.timeline.map(({ what }) => what).join('\n')
  for (const word of ['apply Deployment nginx', 'Service nginx has 10.11.', 'is up', 'via 172.22.0.']) {
    assert.ok(said.includes(word), `the timeline says "${word}"`)
  }
})
