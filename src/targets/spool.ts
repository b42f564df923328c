import { createHash, randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Content } from '../content/content.ts'
import type { Descriptor } from '../content/descriptor.ts'
import { tap, verify } from '../content/verify.ts'
import { privateFiles } from './private-files.ts'
import { readChunks, type ReadableFile } from './read-file.ts'
import { fillFile, type WritableFile } from './write-file.ts'

/** The part of `node:fs/promises` that spooling needs. */
export interface SpoolFileSystem {
  open(path: string, flags: number): Promise<WritableFile & ReadableFile>
  unlink(path: string): Promise<void>
}

/** Where content is spooled. */
export interface SpoolOptions {
  readonly signal?: AbortSignal | undefined
  /** An existing folder. @default that of the system for temporary files */
  readonly directory?: string | undefined
  /** @default the disk, with files that only their owner may read */
  readonly fs?: SpoolFileSystem | undefined
}

/**
 * Writes content whose digest nobody knows yet to a temporary file, and has `use` take it from there, any number of times,
 * from any offset. When it settles, nothing is left of the file; nor is if this process is killed meanwhile.
 * Errors: whatever the content, the file system or `use` throws, unchanged.
 */
export async function withSpooled<T>(
  content: Content,
  mediaType: string,
  use: (descriptor: Descriptor, content: Content) => Promise<T>,
  options: SpoolOptions = {},
): Promise<T> {
  const { signal, directory = tmpdir(), fs = privateFiles } = options
  signal?.throwIfAborted()
  const path = join(directory, `copygraph-spool-${randomUUID()}`)
  const file = await fs.open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL)
  try {
    // It goes on without a name as long as it is open, and nobody else can open it.
    await fs.unlink(path)
    const descriptor = { mediaType, ...(await fill(file, content, signal)) }
    return await use(descriptor, verify(contentOfFile(file, signal), descriptor))
  } finally {
    await file.close()
  }
}

async function fill(
  file: WritableFile,
  content: Content,
  signal: AbortSignal | undefined,
): Promise<Pick<Descriptor, 'digest' | 'size'>> {
  const hasher = createHash('sha256')
  let size = 0
  const watched = tap(content, (chunk) => {
    hasher.update(chunk)
    size += chunk.length
  })
  const open: WritableFile = {
    writev: (buffers) => file.writev(buffers),
    datasync: () => file.datasync(),
    close: staysOpen,
  }
  await fillFile(open, watched, { signal })
  return { digest: `sha256:${hasher.digest('hex')}`, size }
}

function contentOfFile(file: ReadableFile, signal: AbortSignal | undefined): Content {
  const open: ReadableFile = {
    stat: () => file.stat(),
    read: (buffer, offset, length, position) => file.read(buffer, offset, length, position),
    close: staysOpen,
  }
  return {
    [Symbol.asyncIterator]: () => readChunks(open, { signal }),
    from: (offset) => readChunks(open, { signal, offset }),
  }
}

/** The file has no name by which it could be opened again. */
async function staysOpen(): Promise<void> {}
