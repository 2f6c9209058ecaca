/** Files in memory, for tests of what uses {@link Files}. Watchers are told in a microtask. */
import type { Files } from './files.ts'

/** `contents`: text by path, to begin with. */
export function memoryFiles(contents: Record<string, string> = {}): Files {
  const texts = new Map(Object.entries(contents))
  const watchers = new Set<{ path: string; changed: () => void }>()
  const tell = (path: string) => {
    queueMicrotask(() => {
      for (const watcher of watchers) if (watcher.path === path) watcher.changed()
    })
  }
  return {
    async read(path) {
      return texts.get(path)
    },
    async write(path, text) {
      texts.set(path, text)
      tell(path)
    },
    async remove(path) {
      if (texts.delete(path)) tell(path)
    },
    watch(path, changed) {
      const watcher = { path, changed }
      watchers.add(watcher)
      return { close: () => void watchers.delete(watcher) }
    },
  }
}
