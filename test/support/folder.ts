import { mkdtempDisposable, type DisposableTempDir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A new folder, which is removed with what is in it: by `await using`, or by its `remove`. */
export function newFolder(): Promise<DisposableTempDir> {
  return mkdtempDisposable(join(tmpdir(), 'copygraph-test-'))
}
