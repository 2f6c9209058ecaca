/** What every {@link Files} does: run on the real one in a folder of its own and on the one in memory. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryFiles } from '#host/files-memory.ts'
import { systemFiles, type Files } from '#host/files.ts'
import { until } from '../until.testing.ts'

contract('files in memory', async (body) => body(memoryFiles(), '/folder'))
contract('files on disk', (body) => inFolder((folder) => body(systemFiles, folder)))

it('keeps secrets from other users and leaves no drafts behind', async () => {
  await inFolder(async (folder) => {
    await systemFiles.write(join(folder, 'kubeconfig'), 'token')
    assert.equal((await stat(join(folder, 'kubeconfig'))).mode & 0o777, 0o600)
    await systemFiles.write(join(folder, 'public'), 'text', 0o644)
    assert.equal((await stat(join(folder, 'public'))).mode & 0o777, 0o644)
    await assert.rejects(systemFiles.write(folder, 'a folder is in the way'))
    assert.deepEqual((await readdir(folder)).sort(), ['kubeconfig', 'public'])
  })
})

it('notices a file that another program writes in place', async () => {
  await inFolder(async (folder) => {
    const path = join(folder, 'config.yaml')
    let changes = 0
    const watch = systemFiles.watch(path, () => changes++)
    await writeFile(path, 'a: 1')
    await until(() => changes > 0, 'the change is told')
    watch.close()
  })
})

it('notices a ConfigMap that the kubelet swaps by the link beside its files', async () => {
  await inFolder(async (folder) => {
    const mount = async (version: string) => {
      await mkdir(join(folder, version))
      await writeFile(join(folder, version, 'config.yaml'), version)
      await symlink(version, join(folder, '..data_tmp'))
      await rename(join(folder, '..data_tmp'), join(folder, '..data'))
    }
    await mount('..1')
    const path = join(folder, 'config.yaml')
    await symlink('..data/config.yaml', path)
    let changes = 0
    const watch = systemFiles.watch(path, () => changes++)
    await mount('..2')
    await until(() => changes > 0, 'the change is told')
    assert.equal(await systemFiles.read(path), '..2')
    watch.close()
  })
})

function contract(
  name: string,
  run: (body: (files: Files, folder: string) => Promise<void>) => Promise<void>,
) {
  describe(name, () => {
    it('reads what was written, and nothing where there is no file', () =>
      run(async (files, folder) => {
        const path = `${folder}/deep/er/file`
        assert.equal(await files.read(path), undefined)
        await files.write(path, 'eins\n')
        assert.equal(await files.read(path), 'eins\n')
        await files.write(path, 'zwei – due')
        assert.equal(await files.read(path), 'zwei – due')
        await files.remove(path)
        await files.remove(path)
        assert.equal(await files.read(path), undefined)
      }))

    it('tells of changes to the watched file alone, until the watch is closed', () =>
      run(async (files, folder) => {
        let changes = 0
        const watch = files.watch(`${folder}/a`, () => changes++)
        await files.write(`${folder}/b`, '1')
        await sleep(100)
        assert.equal(changes, 0)
        for (const change of [() => files.write(`${folder}/a`, '1'), () => files.remove(`${folder}/a`)]) {
          const before = changes
          await change()
          await until(() => changes > before, 'the change is told')
          await sleep(100)
        }
        watch.close()
        const before = changes
        await files.write(`${folder}/a`, '2')
        await sleep(100)
        assert.equal(changes, before)
      }))
  })
}

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'herald-files-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}
