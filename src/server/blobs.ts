import type { Content } from '../content/content.ts'
import type { Descriptor } from '../content/descriptor.ts'
import { standardManifestTypes } from '../content/manifest-types.ts'
import { mediaTypes } from '../content/media-types.ts'
import { parseRange, type ByteRange } from './byte-range.ts'
import { refusal } from './errors.ts'
import { withRepository, type Answer, type Exchange } from './exchange.ts'
import { resolveIfThere } from './resolve.ts'

/** GET and HEAD of a blob, whole or one range of it (distribution-spec, "Pulling blobs"). */
export async function fetchBlob(exchange: Exchange): Promise<Answer> {
  const { reference, signal } = exchange
  return withRepository(exchange, 'read', async (target) => {
    const descriptor = await resolveIfThere(target, reference, signal)
    if (descriptor === undefined) return unknownBlob(reference)
    return blobAnswer(exchange, descriptor, target.fetch(descriptor, { signal }))
  })
}

/** DELETE of a blob. A manifest is deleted as a manifest: its tags and referrers are part of that. */
export async function deleteBlob(exchange: Exchange): Promise<Answer> {
  const { reference, signal } = exchange
  return withRepository(exchange, 'read', async (target) => {
    if (target.delete === undefined) return refusal(405, 'UNSUPPORTED', 'this store cannot delete')
    const descriptor = await resolveIfThere(target, reference, signal)
    if (descriptor === undefined) return unknownBlob(reference)
    const { manifestTypes = standardManifestTypes } = target
    if (manifestTypes.isManifest(descriptor.mediaType)) {
      return refusal(405, 'UNSUPPORTED', `${reference} is a manifest and can be deleted only as one`)
    }
    await target.delete(descriptor, { signal })
    return { status: 202 }
  })
}

function unknownBlob(digest: string): Answer {
  return refusal(404, 'BLOB_UNKNOWN', `no blob ${digest} in this repository`)
}

function blobAnswer({ request }: Exchange, { digest, size }: Descriptor, content: Content): Answer {
  const etag = `"${digest}"`
  const headers = {
    'Content-Type': mediaTypes.octetStream,
    'Docker-Content-Digest': digest,
    'Accept-Ranges': 'bytes',
    ETag: etag,
  }
  const applies = request.method === 'GET' && (request.headers['if-range'] ?? etag) === etag
  const range = applies ? parseRange(request.headers.range, size) : undefined
  if (range === undefined) {
    return { status: 200, headers: { ...headers, 'Content-Length': size }, body: content }
  }
  if (range === 'unsatisfiable') {
    return refusal(416, 'SIZE_INVALID', `the blob has ${size} bytes`, { 'Content-Range': `bytes */${size}` })
  }
  return {
    status: 206,
    headers: {
      ...headers,
      'Content-Length': range.end - range.start,
      'Content-Range': `bytes ${range.start}-${range.end - 1}/${size}`,
    },
    body: slice(content, range),
  }
}

async function* slice(content: Content, { start, end }: ByteRange): AsyncGenerator<Uint8Array> {
  const canSeek = content.from !== undefined
  let at = canSeek ? start : 0
  for await (const chunk of content.from?.(start) ?? content) {
    const part = chunk.subarray(Math.max(0, start - at), end - at)
    at += chunk.length
    if (part.length > 0) yield part
    if (at >= end) return
  }
}
