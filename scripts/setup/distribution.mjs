/**
 * Programs of the Debian or Ubuntu distribution that labs and tests use. Installed by apt-get when we are root, and
 * without starting or enabling a package's own service; elsewhere one line says what to install by hand.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { capture, find, say } from './processes.mjs'

/** `optional`: goes without a word where the distribution has no such package. */
const packages = [
  { name: 'iproute2', program: 'ip', for: ['lab', 'test'] },
  { name: 'nftables', program: 'nft', for: ['lab', 'test'] },
  { name: 'bird2', program: 'bird', for: ['lab', 'test'] },
  { name: 'curl', program: 'curl', for: ['lab', 'test'] },
  { name: 'kubernetes-client', program: 'kubectl', for: ['lab', 'test'], optional: true },
  { name: 'frr', program: '/usr/lib/frr/bgpd', for: ['test'] },
  { name: 'gobgpd', program: 'gobgpd', for: ['test'] },
  { name: 'openbgpd', program: '/usr/sbin/bgpd', for: ['test'] },
  { name: 'exabgp', program: 'exabgp', for: ['test'] },
  { name: 'bgpdump', program: 'bgpdump', for: ['test'] },
  { name: 'stayrtr', program: 'stayrtr', for: ['test'] },
  { name: 'tshark', program: 'tshark', for: ['test'] },
]

const policyFile = '/usr/sbin/policy-rc.d'

/** `purpose`: 'lab' or 'test'. Never fails: what is missing afterwards is named, and skipped where it is needed. */
export async function ensureDistributionPackages(purpose) {
  const missing = packages.filter((entry) => entry.for.includes(purpose) && find(entry.program) === undefined)
  if (missing.length === 0) return
  const names = missing.map(({ name }) => name)
  const line = `apt-get install --no-install-recommends ${names.join(' ')}`
  if (find('apt-get') === undefined) {
    say(
      `not here: ${missing.map(({ program }) => basename(program)).join(', ')}; this is no Debian or Ubuntu`,
    )
    say('  go on without; install them by the system’s own package manager for the whole of it')
    return
  }
  if (process.getuid?.() !== 0) {
    say(`not here: ${names.join(', ')}; goes on without, because only root may install. For the whole of it:`)
    say(`  sudo ${line}`)
    return
  }
  say(`installing distribution packages: ${names.join(', ')} (their services stay off)`)
  const available = await availablePackages(missing)
  // An optional package by itself, so that its conflicts (a kubectl from elsewhere) do not keep the others out.
  for (const group of [
    missing.filter((entry) => !entry.optional),
    missing.filter((entry) => entry.optional),
  ]) {
    const wanted = group.map(({ name }) => name).filter((name) => available.includes(name))
    if (wanted.length > 0 && !(await install(wanted)))
      say(
        `apt-get could not install ${wanted.join(', ')} (log: .herald/apt.log); goes on without. By hand: ${line}`,
      )
  }
  for (const { name, program, optional } of missing)
    if (!available.includes(name) && !optional)
      say(`the distribution has no package ${name}; goes on without ${basename(program)}`)
}

/** The packages that apt knows, after an `apt-get update` when it does not know one. */
async function availablePackages(wanted) {
  const known = async () => {
    const flags = await Promise.all(wanted.map(async ({ name }) => [name, await isAvailable(name)]))
    return flags.filter(([, available]) => available).map(([name]) => name)
  }
  const before = await known()
  if (before.length === wanted.length) return before
  say('  apt-get update')
  await apt(['update'])
  return known()
}

async function isAvailable(name) {
  const { output } = await capture('apt-cache', ['policy', name])
  return /Candidate: (?!\(none\))/.test(output)
}

async function install(names) {
  const before = await installedPackages()
  const madePolicy = !existsSync(policyFile)
  const removePolicy = () => madePolicy && rmSync(policyFile, { force: true })
  // invoke-rc.d asks this file before it starts a service; 101 says no.
  if (madePolicy) writeFileSync(policyFile, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  process.once('exit', removePolicy)
  const interrupt = () => process.exit(130)
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  try {
    const args = ['install', '-y', '--no-install-recommends', ...names]
    let code = await apt(args)
    if (code !== 0) {
      // The lists may be older than the archive.
      say('  apt-get update, and again')
      await apt(['update'])
      code = await apt(args)
    }
    const added = [...(await installedPackages())].filter((name) => !before.has(name))
    await switchServicesOff(added)
    return code === 0
  } finally {
    removePolicy()
    process.off('exit', removePolicy)
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}

async function apt(args) {
  mkdirSync('.herald', { recursive: true })
  const { code, output } = await capture('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_MODE: 'l' },
    onLine: (line) => {
      if (/^(Setting up|Need to get) /.test(line)) say(`  ${line.replace(/ \.\.\.$/, '')}`)
    },
  })
  writeFileSync('.herald/apt.log', `$ apt-get ${args.join(' ')}\n${output}`, { flag: 'a' })
  return code
}

async function installedPackages() {
  const { output } = await capture('dpkg-query', ['-W', '-f', '${db:Status-Abbrev} ${Package}\n'])
  return new Set(
    output
      .split('\n')
      .filter((line) => line.startsWith('ii'))
      .map((line) => line.slice(2).trim()),
  )
}

/** A package enables its service when it is installed: it would start at the next boot. */
async function switchServicesOff(added) {
  if (added.length === 0 || find('systemctl') === undefined) return
  const { output } = await capture('dpkg-query', ['-L', ...added])
  const units = output
    .split('\n')
    .filter((path) => /\/systemd\/system\/[^/@]+\.(service|socket|timer)$/.test(path))
    .map((path) => basename(path))
  if (units.length === 0) return
  const now = existsSync('/run/systemd/system') ? ['--now'] : []
  await capture('systemctl', ['disable', ...now, ...units])
}
