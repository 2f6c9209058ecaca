/** Small files that Herald keeps or obeys: kubeconfig, configuration, state of a lab. Not for bulk data. */
import { randomUUID } from 'node:crypto'
import { watch as watchFolder } from 'node:fs'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

export interface Files {
  /** Text of a UTF-8 file; `undefined`: there is none. Other failures reject. */
  read(path: string): Promise<string | undefined>
  /**
   * Replaces the file as a whole, makes its folder if needed: a reader, or a crash, sees the old or the new text and
   * nothing between. `mode`: permission bits, 0o600 if absent.
   */
  write(path: string, text: string, mode?: number): Promise<void>
  /** Removes the file. It need not exist. */
  remove(path: string): Promise<void>
  /**
   * Calls `changed` soon after the file was written, replaced, made or removed, at least once for the last change; never
   * inside this call. Its folder must exist.
   */
  watch(path: string, changed: () => void): { close(): void }
}

/** Told when nothing has happened for so long: an editor's save is several changes, and a file half written is no news. */
const settleMs = 50

export const systemFiles: Files = {
  async read(path) {
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  },

  async write(path, text, mode = 0o600) {
    await mkdir(dirname(path), { recursive: true })
    const draft = join(dirname(path), `.${basename(path)}.${randomUUID()}`)
    try {
      const file = await open(draft, 'wx', mode)
      try {
        await file.writeFile(text)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(draft, path)
    } catch (error) {
      await rm(draft, { force: true })
      throw error
    }
  },

  async remove(path) {
    await rm(path, { force: true })
  },

  watch(path, changed) {
    let timer: NodeJS.Timeout | undefined
    // The folder, because a file that is replaced is another one, and Kubernetes changes a mounted ConfigMap by the link
    // `..data` beside it.
    const watcher = watchFolder(dirname(path), { persistent: false }, (_event, name) => {
      if (name !== null && name !== basename(path) && name !== '..data') return
      clearTimeout(timer)
      timer = setTimeout(changed, settleMs)
    })
    return {
      close() {
        watcher.close()
        clearTimeout(timer)
      },
    }
  },
}
