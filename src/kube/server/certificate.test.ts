import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { covers, selfSignedCertificate } from './certificate.ts'

test('a certificate is signed by itself and names its hosts, IPv4 and IPv6', () => {
  const now = Date.UTC(2026, 0, 2)
  const made = selfSignedCertificate('test', ['localhost', '127.0.0.1', '::1'], now)
  const parsed = new X509Certificate(made.certificate)
  assert.ok(parsed.verify(parsed.publicKey))
  assert.equal(parsed.subject, 'CN=test')
  assert.equal(parsed.checkIP('127.0.0.1'), '127.0.0.1')
  assert.equal(parsed.checkIP('::1'), '::1')
  assert.equal(parsed.checkHost('localhost'), 'localhost')
  assert.equal(parsed.validFromDate.getTime(), Date.UTC(2026, 0, 1))
})

test('a certificate covers its hosts until it ends', () => {
  const made = selfSignedCertificate('test', ['localhost', '10.0.0.1'])
  assert.equal(covers(made, ['10.0.0.1', 'localhost']), true)
  assert.equal(covers(made, ['10.0.0.2']), false)
  assert.equal(covers(made, ['localhost'], Date.now() + 11 * 365 * 86_400_000), false)
})
