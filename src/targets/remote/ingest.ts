import { createHash } from 'node:crypto'
import type { Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import { tap } from '../../content/verify.ts'
import { ResponseError, UnsupportedError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { blobExists } from './blobs.ts'
import { lowerLimit, maxChunkBytes } from './body-limits.ts'
import { nameOf, repositoryUrl, type Endpoint } from './endpoint.ts'
import { tryChunk } from './send-chunks.ts'
import { Attempts } from './transport/attempts.ts'
import {
  cancelSession,
  finishSession,
  openSession,
  receivedBytes,
  sendStream,
  withSession,
  type UploadSession,
} from './upload-session.ts'

/**
 * Pushes a blob whose digest is known when all of it is sent: in one request, or where that is too large, again from its
 * beginning in chunks. Error: UNSUPPORTED where the registry takes blobs only with their digest.
 */
export async function ingestBlob(
  endpoint: Endpoint,
  content: Content,
  mediaType: string,
  options: SignalOptions,
): Promise<Descriptor> {
  return withSession(endpoint, options, async (session) => {
    await openSession(endpoint, session, options)
    const known =
      (await ingestAtOnce(endpoint, session, content, options)) ??
      (await ingestInChunks(endpoint, session, content, options))
    await finish(endpoint, session, known, options)
    return { mediaType, ...known }
  })
}

type Known = Pick<Descriptor, 'digest' | 'size'>

/** The end is asked for again after a failure that may pass, unless its answer is all that was lost. */
async function finish(
  endpoint: Endpoint,
  session: UploadSession,
  known: Known,
  options: SignalOptions,
): Promise<void> {
  const { retryPolicy } = endpoint.transport
  const url = repositoryUrl(endpoint, 'blobs/uploads/')
  const attempts = new Attempts(retryPolicy, { method: 'PUT', url, ...options })
  for (;;) {
    try {
      return await finishSession(endpoint, session, { digest: known.digest, body: new Uint8Array() }, options)
    } catch (error) {
      options.signal?.throwIfAborted()
      await attempts.recover(error)
      if (await blobExists(endpoint, known, options)) return
    }
  }
}

/** Undefined where the size of requests is limited; the session is then open, and empty. */
async function ingestAtOnce(
  endpoint: Endpoint,
  session: UploadSession,
  content: Content,
  options: SignalOptions,
): Promise<Known | undefined> {
  if (maxChunkBytes(endpoint, session) !== Infinity) return undefined
  const hashed = new Hashed(content)
  try {
    await sendStream(endpoint, session, hashed, options)
    return hashed.known()
  } catch (error) {
    const isRefused = error instanceof ResponseError && (error.status === 413 || error.status === 416)
    if (!isRefused || !lowerLimit(endpoint, session, 'maxPatchBytes', hashed.known().size)) throw error
  }
  await cancelSession(endpoint, session, options)
  await openSession(endpoint, session, options)
  return undefined
}

/** What is held in memory of content whose size nobody knows, unless the registry wants larger chunks. */
const bufferBytes = 4 * 1024 * 1024
const maxBufferBytes = 64 * 1024 * 1024

/** The size of each chunk is told before it is sent, so that it is in memory. */
async function ingestInChunks(
  endpoint: Endpoint,
  session: UploadSession,
  content: Content,
  options: SignalOptions,
): Promise<Known> {
  const { minChunkBytes = 1 } = session
  if (minChunkBytes > maxBufferBytes) {
    throw new UnsupportedError(
      `an upload to ${nameOf(endpoint)}: this registry wants chunks of ${minChunkBytes} bytes, ` +
        `and content of unknown size is sent in ${maxBufferBytes} at most`,
    )
  }
  const limit = Math.max(minChunkBytes, Math.min(bufferBytes, maxChunkBytes(endpoint, session)))
  const hashed = new Hashed(content)
  let sent = 0
  for await (const bytes of inBlocks(hashed, limit)) {
    await sendBytes(endpoint, session, { bytes, offset: sent }, options)
    sent += bytes.length
  }
  return hashed.known()
}

async function sendBytes(
  endpoint: Endpoint,
  session: UploadSession,
  { bytes, offset }: { readonly bytes: Uint8Array; readonly offset: number },
  options: SignalOptions,
): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const content = bytes.subarray(at, at + maxChunkBytes(endpoint, session))
    const chunk = { content, offset: offset + at, end: offset + at + content.length }
    if (await tryChunk(endpoint, session, chunk, options)) at += content.length
    else await expectPlace(endpoint, session, chunk.offset, options)
  }
}

/** After a chunk that was refused. What was sent before it is not in memory any more, so that the session must have it. */
async function expectPlace(
  endpoint: Endpoint,
  session: UploadSession,
  offset: number,
  options: SignalOptions,
): Promise<void> {
  const received = await receivedBytes(endpoint, session, options)
  if (received === offset) return
  throw new UnsupportedError(
    `an upload to ${nameOf(endpoint)}: this registry has ${received} bytes of the ${offset} that it took`,
  )
}

/** Content in blocks of so many bytes, the last one shorter. A block is good until the next one is asked for. */
async function* inBlocks(content: Content, size: number): AsyncGenerator<Uint8Array> {
  const block = new Uint8Array(size)
  let filled = 0
  for await (const chunk of content) {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + size - filled)
      block.set(part, filled)
      at += part.length
      filled += part.length
      if (filled < size) continue
      yield block
      filled = 0
    }
  }
  if (filled > 0) yield block.subarray(0, filled)
}

/** Content whose digest and size are known when it has been read; each iteration begins anew. */
class Hashed implements Content {
  readonly #content: Content
  #hasher = createHash('sha256')
  #size = 0

  constructor(content: Content) {
    this.#content = tap(content, (chunk) => {
      this.#hasher.update(chunk)
      this.#size += chunk.length
    })
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    this.#hasher = createHash('sha256')
    this.#size = 0
    return this.#content[Symbol.asyncIterator]()
  }

  known(): Known {
    return { digest: `sha256:${this.#hasher.copy().digest('hex')}`, size: this.#size }
  }
}
