import { contentOf, type Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import { verify } from '../../content/verify.ts'
import { InvalidLayoutError } from '../../errors.ts'
import { openRegularFile, readChunks, type ReadableFileSystem } from '../read-file.ts'

/** The first bytes of a blob, in a file that nobody else writes to. */
export interface KeptBytes {
  readonly path: string
  readonly bytes: number
  readonly fs: ReadableFileSystem
  readonly signal: AbortSignal | undefined
}

/**
 * What of some content is not in a file yet. The file is read before the content is asked for the rest, so that the
 * whole is verified: SIZE_MISMATCH and DIGEST_MISMATCH while iterating. A reader that stops ends the wait for a chunk
 * if the content can be stopped.
 */
export function remainder(
  content: Content,
  descriptor: Descriptor,
  kept: KeptBytes,
): AsyncIterable<Uint8Array> {
  const iterate = (): AsyncIterator<Uint8Array> => {
    const missing = kept.bytes < descriptor.size ? content.from?.(kept.bytes) : undefined
    const coming = (missing ?? contentOf(new Uint8Array()))[Symbol.asyncIterator]()
    const chunks = withoutFirst(
      verify({ [Symbol.asyncIterator]: () => joined(kept, coming) }, descriptor),
      kept.bytes,
    )
    return {
      next: () => chunks.next(),
      async return() {
        await coming.return?.()
        await chunks.return(undefined)
        return { done: true, value: undefined }
      },
    }
  }
  return { [Symbol.asyncIterator]: iterate }
}

async function* joined(
  { path, fs, signal }: KeptBytes,
  coming: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const file = await openRegularFile(path, fs)
  if (file === undefined) throw new InvalidLayoutError(`${path} is a link, or no file at all: it is not read`)
  yield* readChunks(file, { signal })
  yield* { [Symbol.asyncIterator]: () => coming }
}

async function* withoutFirst(content: Content, count: number): AsyncGenerator<Uint8Array, undefined> {
  let left = count
  for await (const chunk of content) {
    if (chunk.length > left) yield chunk.subarray(left)
    left = Math.max(0, left - chunk.length)
  }
  return undefined
}
