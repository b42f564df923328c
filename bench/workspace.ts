import { mkdtempDisposable, type DisposableTempDir, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const sharedMemory = '/dev/shm'

/**
 * A new folder, removed when it is disposed of. It lies where asked, else where COPYGRAPH_BENCH_DIR says, else in
 * memory (/dev/shm) if that has the room, else with the system's temporary files.
 */
export async function openWorkspace(
  asked: string | undefined,
  neededBytes: number,
): Promise<DisposableTempDir> {
  const parent = asked ?? process.env['COPYGRAPH_BENCH_DIR'] ?? (await roomyFolder(neededBytes))
  return mkdtempDisposable(join(parent, 'copygraph-bench-'))
}

async function roomyFolder(neededBytes: number): Promise<string> {
  try {
    const { bavail, bsize } = await statfs(sharedMemory)
    return bavail * bsize >= neededBytes ? sharedMemory : tmpdir()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return tmpdir()
    throw error
  }
}
