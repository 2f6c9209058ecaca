import assert from 'node:assert/strict'
import { test } from 'node:test'
import { communityText, largeCommunityText, parseCommunity, parseLargeCommunity } from './community.ts'

test('communities go from text to numbers and back', () => {
  for (const [text, value] of [
    ['65000:99', 0xfde8_0063],
    ['0:0', 0],
    ['65535:1', 0xffff_0001],
    ['no-export', 0xffff_ff01],
    ['blackhole', 0xffff_029a],
    ['graceful-shutdown', 0xffff_0000],
    ['llgr-stale', 0xffff_0006],
    ['no-llgr', 0xffff_0007],
    ['accept-own', 0xffff_0001],
  ] as const) {
    const parsed = parseCommunity(text)
    assert.deepEqual(parsed, { ok: true, value })
  }
  assert.equal(communityText(0xfde8_0063), '65000:99')
  assert.equal(communityText(0xffff_ff01), 'no-export')
  assert.equal(communityText(0xffff_0000), 'graceful-shutdown')
  assert.deepEqual(parseCommunity('planned-shut'), { ok: true, value: 0xffff_0000 })
  assert.equal(communityText(0), '0:0')
  assert.deepEqual(parseCommunity('4259840099'), { ok: true, value: 0xfde8_0063 })
})

test('large communities go from text to numbers and back', () => {
  assert.deepEqual(parseLargeCommunity('4294967295:0:7'), { ok: true, value: [4_294_967_295, 0, 7] })
  assert.equal(largeCommunityText([65000, 1, 2]), '65000:1:2')
})

test('refuses what is no community, naming it', () => {
  for (const text of ['', '1:', '65536:1', '1:2:3', 'no-exports', '-1', '4294967296', 'constructor']) {
    const parsed = parseCommunity(text)
    assert.ok(!parsed.ok && parsed.error.includes(`"${text}"`), text)
  }
  for (const text of ['1:2', '1:2:3:4', '1:2:4294967296']) assert.equal(parseLargeCommunity(text).ok, false)
})
