import type { Content } from '../../content/content.ts'
import type { Descriptor } from '../../content/descriptor.ts'
import type { Digest } from '../../content/digest.ts'
import { printable } from '../../content/printable.ts'
import { verify } from '../../content/verify.ts'
import { SizeMismatchError } from '../../errors.ts'
import type { SignalOptions } from '../../events.ts'
import { askBlob, blobName } from './blobs.ts'
import { repositoryUrl, type Endpoint } from './endpoint.ts'
import { contentLength } from './headers.ts'
import { Attempts } from './transport/attempts.ts'
import type { HttpResponse } from './transport/http.ts'
import { redactUrl } from './transport/redact.ts'
import { expectStatus, unusable } from './transport/response.ts'

/** A blob's content, lazily, also from an offset on. What breaks off goes on where it broke. */
export function fetchBlob(endpoint: Endpoint, descriptor: Descriptor, options: SignalOptions): Content {
  const read = (offset: number): AsyncGenerator<Uint8Array> =>
    blobChunks(endpoint, descriptor, { ...options, offset })
  return verify({ [Symbol.asyncIterator]: () => read(0), from: read }, descriptor)
}

/** Where to read a blob from. */
interface OffsetOptions extends SignalOptions {
  readonly offset: number
}

async function* blobChunks(
  endpoint: Endpoint,
  descriptor: Descriptor,
  options: OffsetOptions,
): AsyncGenerator<Uint8Array> {
  const { digest, size } = descriptor
  const { signal, onEvent } = options
  const url = repositoryUrl(endpoint, `blobs/${digest}`)
  const attempts = new Attempts(endpoint.transport.retryPolicy, { method: 'GET', url, signal, onEvent })
  let { offset } = options
  if (offset > 0 && offset >= size) return
  do {
    // Outside of what is tried again here: the transport has tried it often enough.
    const answer = await openAnswer(endpoint, descriptor, { signal, onEvent, offset })
    try {
      for await (const chunk of chunksFrom(answer, descriptor, offset)) {
        offset += chunk.length
        attempts.advance()
        yield chunk
      }
    } catch (error) {
      signal?.throwIfAborted()
      await attempts.recover(error)
      continue
    }
    if (offset < size) await attempts.recover(tooShort(descriptor, offset), { reason: 'it ended too early' })
  } while (offset < size)
}

/** An answer with the bytes of a blob from `start` on. */
interface BlobAnswer {
  readonly response: HttpResponse
  readonly start: number
}

async function openAnswer(
  endpoint: Endpoint,
  descriptor: Descriptor,
  { offset, ...options }: OffsetOptions,
): Promise<BlobAnswer> {
  const { digest, size } = descriptor
  // Some registries know no range without an end.
  const headers = offset > 0 ? { range: `bytes=${offset}-${size - 1}` } : undefined
  const response = await askBlob(endpoint, { method: 'GET', digest, headers }, options)
  if (offset > 0 && response.status === 416) {
    await response.discard()
    throw tooShort(descriptor, offset)
  }
  await expectStatus(response, offset > 0 ? [206, 200] : [200], blobName(endpoint, digest))
  const start = response.status === 206 ? await rangeStart(response, { offset, size }) : 0
  await expectLength(response, size - start, digest)
  return { response, start }
}

/** The bytes of an answer from an offset on; they may end too early without an error. */
async function* chunksFrom(
  { response, start }: BlobAnswer,
  { digest, size }: Descriptor,
  offset: number,
): AsyncGenerator<Uint8Array> {
  let position = start
  for await (const chunk of response.body) {
    const end = position + chunk.length
    if (end > size) throw new SizeMismatchError(`${digest} has more than its ${size} bytes`)
    if (end > offset) yield position < offset ? chunk.subarray(offset - position) : chunk
    position = end
  }
}

/** The answer must begin where it was asked to, and know the size. A server that knows no ranges answers with all. */
async function rangeStart(
  response: HttpResponse,
  { offset, size }: { readonly offset: number; readonly size: number },
): Promise<number> {
  const answered = response.header('content-range') ?? ''
  const range = `bytes ${offset}-${size - 1}`
  if (answered === `${range}/${size}` || answered === `${range}/*`) return offset
  await response.discard()
  const shown = printable(JSON.stringify(answered.slice(0, 100)))
  throw unusable(response, `it is the range ${shown}, asked for was ${range}/${size}`)
}

/** A wrong length shows before a byte was read; a registry need not say one. */
async function expectLength(response: HttpResponse, expected: number, digest: Digest): Promise<void> {
  const length = contentLength(response)
  if (length === undefined || length === expected) return
  await response.discard()
  throw new SizeMismatchError(
    `GET ${redactUrl(response.url)} has ${length} bytes, expected were ${expected} of ${digest}`,
  )
}

function tooShort({ digest, size }: Descriptor, offset: number): SizeMismatchError {
  return new SizeMismatchError(`${digest} ends ${size - offset} bytes before its ${size} bytes`)
}
