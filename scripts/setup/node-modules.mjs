/** The npm packages of package-lock.json in `node_modules`, installed by `npm ci` when they are not there yet. */
import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { capture, find, refuse, say } from './processes.mjs'

const stamp = 'node_modules/.herald-lock-sha256'

/** Does nothing when the stamp of the last install names the present lock file. */
export async function ensureNodeModules() {
  const hash = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return
  // npm would empty the folder that the link points to, which serves another checkout.
  if (isLink('node_modules')) {
    if (existsSync('node_modules/typescript')) return
    refuse('node_modules is a link to a folder without the packages', 'install in the checkout it points to')
  }
  if (find('npm') === undefined)
    refuse('npm is not installed', 'it comes with Node.js; on Debian and Ubuntu: apt-get install npm')
  const count = Object.keys(JSON.parse(readFileSync('package-lock.json', 'utf8')).packages).length - 1
  say(
    `installing npm packages (npm ci, up to ${count}, ~120 MB with the pinned Node; takes about half a minute)`,
  )
  const startedAt = Date.now()
  const ticker = process.stdout.isTTY
    ? setInterval(() => process.stdout.write(`\r  … ${Math.round((Date.now() - startedAt) / 1000)} s `), 1000)
    : undefined
  const { code, output } = await capture('npm', ['ci', '--no-audit', '--no-fund'])
  clearInterval(ticker)
  if (ticker !== undefined) process.stdout.write('\r')
  if (code === 0 && !existsSync('node_modules/.bin/node'))
    await capture('npm', ['rebuild', 'node', '--foreground-scripts'])
  if (code !== 0) {
    mkdirSync('.herald', { recursive: true })
    writeFileSync('.herald/npm-ci.log', output)
    console.error(output.trim().split('\n').slice(-15).join('\n'))
    refuse(
      'npm ci failed (all of it in .herald/npm-ci.log)',
      'mend the cause, most often the network or a proxy, and run the same command again',
    )
  }
  writeFileSync(stamp, hash)
  say(`npm packages installed in ${Math.round((Date.now() - startedAt) / 1000)} s`)
}

function isLink(path) {
  try {
    return lstatSync(path).isSymbolicLink()
  } catch {
    return false
  }
}
