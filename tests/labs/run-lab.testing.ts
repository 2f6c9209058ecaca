/** A lab in a process of its own: `run-lab.testing.ts FOLDER NAME`; prints `up`, ends at SIGINT or SIGTERM. */
import { labUp } from '#lab/lab.ts'

const [folder = '', name = ''] = process.argv.slice(2)
const lab = await labUp(folder, { name }, { step: () => {}, warning: () => {} })
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => void lab.down().then(() => process.exit(0)))
}
process.stdout.write('up\n')
setInterval(() => {}, 60_000)
