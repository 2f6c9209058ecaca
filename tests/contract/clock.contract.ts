/** What every {@link Clock} does: run on the real one and on the virtual one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Clock } from '#core/lib/clock.ts'

/** `pass`: lets at least so many milliseconds go by. */
export function clockContract(
  name: string,
  open: () => { clock: Clock; pass: (ms: number) => Promise<void> },
): void {
  describe(name, () => {
    it('goes forward', async () => {
      const { clock, pass } = open()
      const before = clock.now()
      await pass(5)
      assert.ok(clock.now() >= before + 5)
    })

    it('runs actions in the order of their deadlines, none before its time', async () => {
      const { clock, pass } = open()
      const start = clock.now()
      const ran: { name: string; late: number }[] = []
      const at = (name: string, ms: number) =>
        clock.at(start + ms, () => ran.push({ name, late: clock.now() - start - ms }))
      at('third', 60)
      at('first', 20)
      at('second', 40)
      at('never', Infinity)
      await pass(150)
      assert.deepEqual(
        ran.map(({ name }) => name),
        ['first', 'second', 'third'],
      )
      for (const { name, late } of ran) assert.ok(late >= 0, `${name} ran ${-late} ms early`)
    })

    it('runs an action whose time is past soon, but not inside the call', async () => {
      const { clock, pass } = open()
      let ran = 0
      clock.at(clock.now() - 1000, () => ran++)
      assert.equal(ran, 0)
      await pass(30)
      assert.equal(ran, 1)
    })

    it('does not run an action that was taken back', async () => {
      const { clock, pass } = open()
      let ran = 0
      const cancel = clock.at(clock.now() + 10, () => ran++)
      clock.at(clock.now() + 10_000_000_000, () => ran++)()
      cancel()
      cancel()
      await pass(40)
      assert.equal(ran, 0)
    })

    it('lets an action ask for the next one', async () => {
      const { clock, pass } = open()
      let ran = 0
      const again = () => {
        ran++
        if (ran < 3) clock.at(clock.now() + 5, again)
      }
      clock.at(clock.now(), again)
      await pass(100)
      assert.equal(ran, 3)
    })
  })
}
